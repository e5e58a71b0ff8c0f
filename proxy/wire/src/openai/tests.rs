mod bodies;
mod headers;
mod streams;
