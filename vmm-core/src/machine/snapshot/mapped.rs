//! A frozen machine's memory as a file that is mapped, copy-on-write: pages of zeroes are left out, and so are those
//! that are the kernel's image still, which is a file already. What is left lies page by page, with a list of what is
//! where; of equal pages behind one another, as the kernel's notes on free memory are, some are stored once and mapped
//! again and again.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use super::pack::{PAGE, STRETCH, ZEROES, next_data};

/// Each extent is a mapping, of which a process has 65,530: where there are more than so many, those that are close to
/// each other are stored as one, with the zeroes between them.
const MAX_EXTENTS: u64 = 4096;
/// Fewer pages of the kernel's than this are stored.
const KERNEL_RUN: u64 = 4;
/// Fewer equal pages than this are stored as any others. The notes on a free block of 4 MiB have fifteen.
const REPEATED_RUN: u64 = 8;
/// At most so many are stored; more only where that would make too many extents of a run.
const REPEATED: u64 = 32;
/// Extents of a run of equal pages.
const REPEATED_EXTENTS: u64 = 64;
const PAGE_BYTES: u64 = PAGE as u64;

/// A part of memory: `length` bytes `at` an offset of it are those at `offset` of a file. All are whole pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Where in memory.
    pub at: u64,
    /// Bytes.
    pub length: u64,
    /// Where in the file.
    pub offset: u64,
    /// The file is the kernel's image, not the snapshot's.
    pub kernel: bool,
}

/// Where pages that are not zeroes come from.
#[derive(Clone, Copy, PartialEq)]
enum Source {
    /// The snapshot's own file.
    Stored,
    /// The same; all are equal.
    Repeated,
    /// The kernel's image, from this offset on.
    Kernel(u64),
}

/// Pages that lie behind one another, in memory and where they come from.
struct Run {
    at: u64,
    pages: u64,
    source: Source,
}

impl Run {
    fn length(&self) -> u64 {
        self.pages * PAGE_BYTES
    }

    fn end(&self) -> u64 {
        self.at + self.length()
    }

    /// How many of its pages are one extent.
    fn pages_an_extent(&self) -> u64 {
        match self.source {
            Source::Repeated => REPEATED.max(self.pages.div_ceil(REPEATED_EXTENTS)).min(self.pages),
            _ => self.pages,
        }
    }
}

/// Writes what is to be stored of memory, a whole number of pages, and lists what lies where.
pub fn save(memory: &File, kernel: &File, to: impl Write) -> io::Result<Vec<Extent>> {
    let runs = merged(runs(memory, &Image::new(kernel)?)?);
    let mut store = Store { memory, to, buffer: vec![0; STRETCH], end: 0, repeated: HashMap::new() };
    let mut extents = Vec::new();
    for run in &runs {
        let longest = run.pages_an_extent() * PAGE_BYTES;
        let (offset, kernel) = match run.source {
            Source::Kernel(offset) => (offset, true),
            Source::Stored => (store.add(run.at, longest)?, false),
            Source::Repeated => (store.add_once(run.at, longest)?, false),
        };
        let mut at = run.at;
        while at < run.end() {
            let length = longest.min(run.end() - at);
            extents.push(Extent { at, length, offset, kernel });
            at += length;
        }
    }
    store.to.flush()?;
    Ok(extents)
}

/// The snapshot's file while it is written.
struct Store<'a, W> {
    memory: &'a File,
    to: W,
    buffer: Vec<u8>,
    end: u64,
    /// Of a page that is repeated: where it is stored, and how many bytes of it.
    repeated: HashMap<[u8; PAGE], (u64, u64)>,
}

impl<W: Write> Store<'_, W> {
    /// Stores a part of memory; where it is.
    fn add(&mut self, at: u64, length: u64) -> io::Result<u64> {
        let offset = self.end;
        let mut done = 0;
        while done < length {
            let count = (length - done).min(STRETCH as u64) as usize;
            let chunk = &mut self.buffer[..count];
            self.memory.read_exact_at(chunk, at + done)?;
            self.to.write_all(chunk)?;
            done += count as u64;
        }
        self.end += length;
        Ok(offset)
    }

    /// The same for equal pages, unless there are as many of them already.
    fn add_once(&mut self, at: u64, length: u64) -> io::Result<u64> {
        let mut page = [0; PAGE];
        self.memory.read_exact_at(&mut page, at)?;
        match self.repeated.get(&page) {
            Some((offset, stored)) if *stored >= length => Ok(*offset),
            _ => {
                let offset = self.add(at, length)?;
                self.repeated.insert(page, (offset, length));
                Ok(offset)
            }
        }
    }
}

/// All of memory that is not zeroes, by what it is.
fn runs(memory: &File, image: &Image<'_>) -> io::Result<Vec<Run>> {
    let length = memory.metadata()?.len();
    let (mut runs, mut buffer) = (Vec::<Run>::new(), vec![0; STRETCH]);
    let mut before = [0; PAGE];
    let mut at = 0;
    while let Some((start, end)) = next_data(memory, at, length)? {
        at = start - start % PAGE_BYTES;
        while at < end {
            let count = (length - at).min(STRETCH as u64) as usize;
            memory.read_exact_at(&mut buffer[..count], at)?;
            for page in buffer[..count].chunks_exact(PAGE) {
                if *page != ZEROES {
                    add(&mut runs, at, page, *page == before, image)?;
                }
                before.copy_from_slice(page);
                at += PAGE_BYTES;
            }
        }
    }
    Ok(runs)
}

/// `again`: the page is the one before it.
fn add(runs: &mut Vec<Run>, at: u64, page: &[u8], again: bool, image: &Image<'_>) -> io::Result<()> {
    let new = |source| Run { at, pages: 1, source };
    let Some(last) = runs.last_mut().filter(|run| run.end() == at) else {
        runs.push(new(image.find(page)?.map_or(Source::Stored, Source::Kernel)));
        return Ok(());
    };
    match last.source {
        Source::Kernel(offset) if image.has(page, offset + last.length())? => last.pages += 1,
        Source::Repeated if again => last.pages += 1,
        // What was stored last is the first of those that are repeated.
        Source::Stored if again => {
            last.pages -= 1;
            let repeated = Run { at: at - PAGE_BYTES, pages: 2, source: Source::Repeated };
            if last.pages == 0 {
                *last = repeated;
            } else {
                runs.push(repeated);
            }
        }
        source => match image.find(page)? {
            Some(offset) => runs.push(new(Source::Kernel(offset))),
            None if source == Source::Stored => last.pages += 1,
            None => runs.push(new(Source::Stored)),
        },
    }
    Ok(())
}

/// Fewer runs: short ones are stored, and stored ones that are close to each other are one.
fn merged(runs: Vec<Run>) -> Vec<Run> {
    let extents = |run: &Run| run.pages.div_ceil(run.pages_an_extent());
    let mut gap = 0;
    let mut runs = joined(runs, gap);
    while runs.iter().map(extents).sum::<u64>() > MAX_EXTENTS {
        gap = 4 * gap + 1;
        runs = joined(runs, gap);
    }
    runs
}

fn joined(runs: Vec<Run>, gap: u64) -> Vec<Run> {
    let mut joined = Vec::<Run>::with_capacity(runs.len());
    for mut run in runs {
        let shortest = if run.source == Source::Repeated { REPEATED_RUN } else { KERNEL_RUN };
        if run.pages < shortest.max(gap) {
            run.source = Source::Stored;
        }
        match joined.last_mut() {
            Some(last)
                if (last.source, run.source) == (Source::Stored, Source::Stored)
                    && run.at - last.end() <= gap * PAGE_BYTES =>
            {
                last.pages = (run.end() - last.at) / PAGE_BYTES;
            }
            _ => joined.push(run),
        }
    }
    joined
}

/// The kernel's image: where it has which page.
struct Image<'a> {
    file: &'a File,
    hasher: RandomState,
    places: HashMap<u64, u64>,
}

impl<'a> Image<'a> {
    fn new(file: &'a File) -> io::Result<Image<'a>> {
        let mut image = Image { file, hasher: RandomState::new(), places: HashMap::new() };
        let mut buffer = vec![0; STRETCH];
        let length = file.metadata()?.len();
        let whole = length - length % PAGE_BYTES;
        let mut at = 0;
        while at < whole {
            let count = (whole - at).min(STRETCH as u64) as usize;
            file.read_exact_at(&mut buffer[..count], at)?;
            for page in buffer[..count].chunks_exact(PAGE) {
                image.places.entry(image.hasher.hash_one(page)).or_insert(at);
                at += PAGE_BYTES;
            }
        }
        Ok(image)
    }

    /// Where it has this page, if anywhere.
    fn find(&self, page: &[u8]) -> io::Result<Option<u64>> {
        match self.places.get(&self.hasher.hash_one(page)) {
            Some(&offset) if self.has(page, offset)? => Ok(Some(offset)),
            _ => Ok(None),
        }
    }

    /// Whether it has this page there.
    fn has(&self, page: &[u8], offset: u64) -> io::Result<bool> {
        let mut there = [0; PAGE];
        match self.file.read_exact_at(&mut there, offset) {
            Ok(()) => Ok(page == there),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(e) => Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of whole pages: each is filled with its number here.
    fn pages(numbers: &[u32]) -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(numbers.len() as u64 * PAGE_BYTES).unwrap();
        for (index, number) in numbers.iter().enumerate().filter(|(_, number)| **number != 0) {
            let page: Vec<u8> = number.to_le_bytes().repeat(PAGE / 4);
            file.write_all_at(&page, index as u64 * PAGE_BYTES).unwrap();
        }
        file
    }

    fn read_all(file: &File) -> Vec<u8> {
        let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    /// Saves memory, and puts it together again as a machine that is restored has it.
    fn there_and_back(memory: &File, kernel: &File) -> Vec<Extent> {
        let mut stored = Vec::new();
        let extents = save(memory, kernel, &mut stored).unwrap();
        let image = read_all(kernel);
        let mut back = vec![0; memory.metadata().unwrap().len() as usize];
        let mut last = 0;
        for extent in &extents {
            assert!(extent.at >= last && extent.length > 0, "{extents:?}");
            last = extent.at + extent.length;
            for number in [extent.at, extent.length, extent.offset] {
                assert_eq!(number % PAGE_BYTES, 0, "{extent:?}");
            }
            let from = if extent.kernel { &image } else { &stored };
            let (at, length, offset) = (extent.at as usize, extent.length as usize, extent.offset as usize);
            back[at..at + length].copy_from_slice(&from[offset..offset + length]);
        }
        assert!(back == read_all(memory));
        extents
    }

    #[test]
    fn memory_is_put_together_from_both_files() {
        let kernel: Vec<u32> = (1..=60).collect();
        let mut memory = vec![0; 40];
        memory.extend(1..=30); // as the kernel has it
        memory.extend([1000, 1001]); // changed
        memory.extend(33..=60);
        memory.extend([0; 100]);
        memory.extend([2000, 2001, 5, 6, 7, 0, 2002]); // too little of the kernel's
        let extents = there_and_back(&pages(&memory), &pages(&kernel));
        let expected = [
            (40, 30, 0, true),
            (70, 2, 0, false),
            (72, 28, 32, true),
            (200, 5, 2, false),
            (206, 1, 7, false),
        ];
        let expected = expected.map(|(at, length, offset, kernel)| Extent {
            at: at * PAGE_BYTES,
            length: length * PAGE_BYTES,
            offset: offset * PAGE_BYTES,
            kernel,
        });
        assert_eq!(extents, expected);
    }

    #[test]
    fn nothing_is_nothing_and_a_kernel_that_is_no_whole_page_is_no_kernel() {
        assert_eq!(there_and_back(&pages(&[0; 9]), &pages(&[1, 2])), []);
        assert_eq!(there_and_back(&pages(&[]), &pages(&[])), []);
        let kernel = tempfile::tempfile().unwrap();
        kernel.write_all_at(&[7; 4000], 0).unwrap();
        assert_eq!(there_and_back(&pages(&[0x0707_0707]), &kernel).len(), 1);
    }

    #[test]
    fn pages_that_are_scattered_become_a_bounded_number_of_extents() {
        // Every fourth page, and parts of the kernel between them.
        let scattered = (0..40_000_u32).map(|n| if n.is_multiple_of(4) { n + 1_000_000 } else { 0 });
        let mut memory: Vec<u32> = scattered.collect();
        let kernel: Vec<u32> = (1..=20).collect();
        for place in memory.chunks_mut(64) {
            place[..20].copy_from_slice(&kernel);
        }
        let extents = there_and_back(&pages(&memory), &pages(&kernel));
        assert!(extents.len() as u64 <= MAX_EXTENTS, "{}", extents.len());
    }

    #[test]
    fn a_full_disk_is_told() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let error = save(&pages(&[1, 2]), &pages(&[]), &full).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn of_many_equal_pages_some_are_stored() {
        let many = [1, 2, 3].into_iter().chain([7; 100]).chain([8; 20]).chain([9; 6]).chain([7; 15]);
        let memory = pages(&many.collect::<Vec<u32>>());
        let mut stored = Vec::new();
        save(&memory, &pages(&[]), &mut stored).unwrap();
        let extents = there_and_back(&memory, &pages(&[]));
        assert_eq!(stored.len() / PAGE, 3 + 32 + 20 + 6);
        let all: Vec<u64> = extents.iter().map(|extent| extent.length / PAGE_BYTES).collect();
        assert_eq!(all, [3, 32, 32, 32, 4, 20, 6, 15]);
        assert_eq!(extents.last().map(|extent| extent.offset), Some(3 * PAGE_BYTES));
        // However many there are.
        let extents = there_and_back(&pages(&[7; 50_000]), &pages(&[]));
        assert_eq!(extents.len(), 64);
    }

    #[test]
    fn a_page_that_the_kernel_has_more_than_once_is_its_next_one_or_its_first() {
        let kernel: Vec<u32> = [7; 20].into_iter().chain(1..=20).collect();
        // Longer than in the kernel: it goes on from its beginning.
        let memory: Vec<u32> = [7; 50].into_iter().chain(1..=20).collect();
        let extents = there_and_back(&pages(&memory), &pages(&kernel));
        assert!(extents.iter().any(|extent| extent.kernel), "{extents:?}");
    }
}
