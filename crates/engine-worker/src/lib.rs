//! llama.cpp in a child process: the only native code of ours
