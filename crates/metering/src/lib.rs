//! Estimate, reserve, settle, budget: what a request may cost and what it did cost; pure
