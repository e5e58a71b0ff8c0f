//! The stages from identify to settle as one machine without IO.
