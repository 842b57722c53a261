// Beta-binomial shares: effects of timeliness within authorities, which differ, and between them.
functions {
  vector zero_sum(vector free) {
    int n = rows(free) + 1;
    real norm = sum(free) / (sqrt(n) + n);
    return append_row(free, norm - sum(free) / sqrt(n)) - norm;
  }
}
data {
  int N; int A; int T;
  array[N] int y; array[N] int total; array[N] int la; array[N] int year;
  vector[A] between; vector[N] within;
  real level_mu; real level_sigma;
  real within_effect_mu; real within_effect_sigma; real within_effect_sd_sigma;
  real between_effect_mu; real between_effect_sigma;
  real la_level_sd_sigma; real year_effect_sigma; real scatter_sd_sigma;
}
parameters {
  real level;
  real between_effect;
  real within_effect;
  real<lower=0> within_effect_sd;
  vector[A] within_z;
  vector[A] la_level;
  real<lower=0> la_level_sd;
  vector[T - 1] year_free;
  real<lower=0> scatter_sd;
}
transformed parameters {
  vector[A] la_within_effect = within_effect + within_effect_sd * within_z;
  vector[T] year_effect = zero_sum(year_free);
}
model {
  level ~ normal(level_mu, level_sigma);
  between_effect ~ normal(between_effect_mu, between_effect_sigma);
  within_effect ~ normal(within_effect_mu, within_effect_sigma);
  within_effect_sd ~ normal(0, within_effect_sd_sigma);
  within_z ~ std_normal();
  la_level_sd ~ normal(0, la_level_sd_sigma);
  la_level ~ normal(level + between_effect * between, la_level_sd);
  year_free ~ normal(0, year_effect_sigma);
  scatter_sd ~ normal(0, scatter_sd_sigma);
  {
    real dispersion = 1 / (square(scatter_sd) + 1e-6);
    vector[N] share = inv_logit(la_level[la] + year_effect[year] + la_within_effect[la] .* within);
    y ~ beta_binomial(total, dispersion * share, dispersion * (1 - share));
  }
}
