//! The language, directive by directive.
