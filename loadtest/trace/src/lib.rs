//! Arrival traces: Azure, BurstGPT, Mooncake and our own access log.
