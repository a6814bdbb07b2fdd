//! Who may start, in what order: a pure machine before every scarce resource
