// Negative-binomial trend: walk over years, level and slope of authorities correlated.
// Authorities' levels are centred on the national one; the walk's mean over the years is zero.
functions {
  // n numbers that sum to zero from n - 1 free ones; distances are kept.
  vector zero_sum(vector free) {
    int n = rows(free) + 1;
    real norm = sum(free) / (sqrt(n) + n);
    return append_row(free, norm - sum(free) / sqrt(n)) - norm;
  }
}
data {
  int N; int A; int T;
  array[N] int y; array[N] int la; array[N] int year;
  vector[N] log_exposure; vector[T] time; vector[T - 1] root_gap;
  int slopes_clear;
  real national_level_mu; real national_level_sigma;
  real trend_step_sd_mu; real trend_step_sd_sigma;
  real la_level_sd_sigma; real la_slope_sd_sigma;
  real la_level_slope_correlation_eta; real scatter_sd_sigma;
}
parameters {
  real national_level;
  real<lower=0> trend_step_sd;
  vector[T - 1] trend_step;
  real<lower=0> la_level_sd;
  real<lower=0> la_slope_sd;
  real<lower=0, upper=1> correlation_raw;
  vector[A] la_level;
  vector[A - 1] slope_free;
  real<lower=0> scatter_sd;
}
transformed parameters {
  real la_level_slope_correlation = 2 * correlation_raw - 1;
  real residual = sqrt(1 - square(la_level_slope_correlation));
  vector[T] path = append_row(0, cumulative_sum(trend_step));
  vector[T] trend = path - mean(path);
  vector[A] la_slope;
  if (slopes_clear) la_slope = zero_sum(slope_free);
  else la_slope = la_slope_sd * (la_level_slope_correlation * (la_level - mean(la_level))
                                 / la_level_sd + residual * zero_sum(slope_free));
}
model {
  national_level ~ normal(national_level_mu, national_level_sigma);
  trend_step_sd ~ lognormal(trend_step_sd_mu, trend_step_sd_sigma);
  trend_step ~ normal(0, trend_step_sd * root_gap);
  la_level_sd ~ normal(0, la_level_sd_sigma);
  la_slope_sd ~ normal(0, la_slope_sd_sigma);
  correlation_raw ~ beta(la_level_slope_correlation_eta, la_level_slope_correlation_eta);
  scatter_sd ~ normal(0, scatter_sd_sigma);
  if (slopes_clear) {
    slope_free ~ normal(0, la_slope_sd);
    la_level ~ normal(national_level + la_level_slope_correlation * la_level_sd / la_slope_sd
                      * la_slope, la_level_sd * residual);
  } else {
    slope_free ~ std_normal();
    la_level ~ normal(national_level, la_level_sd);
  }
  y ~ neg_binomial_2_log(log_exposure + la_level[la] + trend[year]
                         + la_slope[la] .* time[year], 1 / (square(scatter_sd) + 1e-6));
}
