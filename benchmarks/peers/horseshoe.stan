// Bernoulli judgements: regularised horseshoe (Piironen and Vehtari 2017) as standard scores.
data {
  int N; int K; int F;
  array[N] int y; array[N] int framework; matrix[N, K] x;
  real level_mu; real level_sigma;
  real framework_effect_mu; real framework_effect_sigma;
  real global_scale_nu; real global_scale_sigma;
  real local_scale_nu; real local_scale_sigma;
  real slab_variance_alpha; real slab_variance_beta;
}
parameters {
  real level;
  vector[F] framework_effect;
  vector[K] effect_z;
  real<lower=0> global_scale;
  vector<lower=0>[K] local_scale;
  real<lower=0> slab_variance;
}
transformed parameters {
  vector[K] shrunk = global_scale * local_scale;
  vector[K] predictor_effect = effect_z .* shrunk
    .* sqrt(slab_variance ./ (slab_variance + square(shrunk)));
}
model {
  level ~ normal(level_mu, level_sigma);
  framework_effect ~ normal(framework_effect_mu, framework_effect_sigma);
  effect_z ~ std_normal();
  global_scale ~ student_t(global_scale_nu, 0, global_scale_sigma);
  local_scale ~ student_t(local_scale_nu, 0, local_scale_sigma);
  slab_variance ~ inv_gamma(slab_variance_alpha, slab_variance_beta);
  y ~ bernoulli_logit(level + framework_effect[framework] + x * predictor_effect);
}
