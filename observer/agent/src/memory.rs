//! Limits the memory that glibc's allocator keeps for itself.

/// Makes all threads share one heap. By default each thread gets its own and keeps what it frees there. The agent's
/// threads pass records to each other, which would cost a third of its memory. To be called before threads start.
pub fn share_heap() {
    #[cfg(target_env = "gnu")]
    {
        #![expect(unsafe_code, reason = "mallopt(3) has no safe wrapper")]
        // SAFETY: it takes no pointers; that it comes before other threads is for effect, not for safety.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    }
}

/// Returns freed memory to the kernel. Loading parses megabytes of BTF and ELF once.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    {
        #![expect(unsafe_code, reason = "malloc_trim(3) has no safe wrapper")]
        // SAFETY: it takes no pointers, and may be called at any time from any thread.
        unsafe { libc::malloc_trim(0) };
    }
}
