"""The training behind the estimators: arrays and numbers in, factors out. It knows no estimator."""
