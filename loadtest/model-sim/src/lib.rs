//! Simulated model servers: iteration engine, prices, quotas and faults.
