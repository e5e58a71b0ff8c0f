//! A journal that cannot be written and a store that is away are seen where operators look: the status, a
//! metric, readiness.
