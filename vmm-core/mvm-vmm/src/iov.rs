//! Moves bytes between descriptors (files, sockets) and guest memory without a copy in between. The only module
//! that hands guest memory to the kernel.
#![allow(unsafe_code)] // one block, for readv and its kin

use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};

use virtio_queue::desc::split::Descriptor;
use vm_memory::volatile_memory::PtrGuardMut;
use vm_memory::{GuestMemoryBackend, GuestMemoryMmap};

/// The kernel takes at most so many pieces a call (`UIO_MAXIOV`).
const MAX_PIECES: usize = 1024;

/// Pieces of guest memory, in order.
pub struct Pieces {
    // The guards keep the pointers valid while the kernel uses them.
    guards: Vec<PtrGuardMut>,
    vectors: Vec<libc::iovec>,
    len: usize,
}

/// Which way, and whether at an offset of a file or wherever a stream stands.
#[derive(Clone, Copy)]
pub enum Transfer {
    /// File → memory, at an offset.
    ReadAt(u64),
    /// Memory → file, at an offset.
    WriteAt(u64),
    /// Socket → memory.
    Receive,
    /// Memory → socket.
    Send,
}

impl Pieces {
    /// Those bytes of the memory that descriptors cover. `None` if any of it is not there.
    pub fn new(mem: &GuestMemoryMmap, descriptors: &[Descriptor], bytes: Range<usize>) -> Option<Pieces> {
        let mut pieces = Pieces { guards: Vec::new(), vectors: Vec::new(), len: 0 };
        let (mut skip, mut left) = (bytes.start, bytes.end.saturating_sub(bytes.start));
        for descriptor in descriptors {
            for slice in mem.get_slices(descriptor.addr(), descriptor.len() as usize) {
                let slice = slice.ok()?;
                if skip >= slice.len() || left == 0 {
                    skip = skip.saturating_sub(slice.len());
                    continue;
                }
                let len = left.min(slice.len() - skip);
                let guard = slice.subslice(skip, len).ok()?.ptr_guard_mut();
                (skip, left) = (0, left - len);
                // What does not fit waits for the next call.
                if pieces.vectors.len() == MAX_PIECES {
                    return Some(pieces);
                }
                pieces.vectors.push(libc::iovec { iov_base: guard.as_ptr().cast(), iov_len: guard.len() });
                pieces.len += guard.len();
                pieces.guards.push(guard);
            }
        }
        Some(pieces)
    }

    /// Nothing is covered.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes covered.
    pub fn len(&self) -> usize {
        self.len
    }

    /// One system call; returns how many bytes moved.
    pub fn transfer(&self, fd: BorrowedFd<'_>, how: Transfer) -> io::Result<usize> {
        let fd = fd.as_raw_fd();
        let vectors = self.vectors.as_ptr();
        let count = self.vectors.len();
        debug_assert_eq!(self.guards.len(), count);
        loop {
            // SAFETY: `vectors` describes `count` live ranges of mapped guest memory, kept mapped by the guards for
            // the length of the call. The guest may change their contents meanwhile; nobody here looks at them.
            let moved = unsafe {
                match how {
                    Transfer::ReadAt(at) => libc::preadv(fd, vectors, count as i32, at as i64),
                    Transfer::WriteAt(at) => libc::pwritev(fd, vectors, count as i32, at as i64),
                    Transfer::Receive => libc::readv(fd, vectors, count as i32),
                    Transfer::Send => libc::writev(fd, vectors, count as i32),
                }
            };
            match usize::try_from(moved) {
                Ok(moved) => return Ok(moved),
                Err(_) => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
            }
        }
    }
}

/// Moves those bytes of what descriptors cover to or from an offset of a file, or fails.
pub fn exactly(
    mem: &GuestMemoryMmap,
    descriptors: &[Descriptor],
    bytes: Range<usize>,
    fd: BorrowedFd<'_>,
    how: impl Fn(u64) -> Transfer,
    start: u64,
) -> Option<usize> {
    let mut done = 0;
    loop {
        let rest = Pieces::new(mem, descriptors, bytes.start + done..bytes.end)?;
        if rest.is_empty() {
            return Some(done);
        }
        match rest.transfer(fd, how(start + done as u64)) {
            Ok(0) | Err(_) => return None,
            Ok(moved) => done += moved,
        }
    }
}
