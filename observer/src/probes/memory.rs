//! Loading parses megabytes of BTF and ELF once; glibc would keep them for an agent that needs little after.

/// Gives freed memory back to the kernel.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    {
        #![expect(unsafe_code, reason = "malloc_trim(3) has no safe wrapper")]
        // SAFETY: it takes no pointers, and may be called at any time from any thread.
        unsafe { libc::malloc_trim(0) };
    }
}
