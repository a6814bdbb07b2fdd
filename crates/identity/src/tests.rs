//! Tests of identity; one file a subject.
