//! Catalogue of names, units and buckets, and their export over OTLP.
