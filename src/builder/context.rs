//! The build context as a tar stream.
