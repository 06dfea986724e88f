//! Certificates, made and read.

mod common;
mod issued;
mod openssl;
mod refused;
