//! Whether this processor has the instructions that llama.cpp was built with (`.cargo/config.toml` pins them): without the check the
//! first step would end in an illegal instruction that nobody can read.

use crate::WorkerError;

/// Names what is missing.
pub(crate) fn check() -> Result<(), WorkerError> {
    let missing = missing();
    if missing.is_empty() { Ok(()) } else { Err(WorkerError::Processor(missing.join(", "))) }
}

#[cfg(target_arch = "x86_64")]
fn missing() -> Vec<&'static str> {
    [
        ("SSE4.2", std::arch::is_x86_feature_detected!("sse4.2")),
        ("AVX", std::arch::is_x86_feature_detected!("avx")),
        ("AVX2", std::arch::is_x86_feature_detected!("avx2")),
        ("FMA", std::arch::is_x86_feature_detected!("fma")),
        ("F16C", std::arch::is_x86_feature_detected!("f16c")),
        ("BMI2", std::arch::is_x86_feature_detected!("bmi2")),
    ]
    .into_iter()
    .filter_map(|(name, is_there)| (!is_there).then_some(name))
    .collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn missing() -> Vec<&'static str> {
    Vec::new()
}
