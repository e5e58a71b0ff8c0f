//! Estimator, controller and picker of a pool, without IO.
