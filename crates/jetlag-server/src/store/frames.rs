//! The form of a store's file: a line that says what it is, then frames, each with its length and a checksum. What stands in a frame is not
//! known here.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::StoreError;

/// What a file of ours begins with.
const MAGIC: &str = "jetlag store ";
/// The form in which frames are written, frames and what stands in them.
pub(super) const FORMAT: &str = "1";
/// The end of the name of a file that is being written.
pub(super) const UNFINISHED: &str = "new";
/// Length and checksum.
const HEAD: usize = 12;

/// A file that frames are appended to.
#[derive(Debug)]
pub(super) struct Frames {
    path: PathBuf,
    file: File,
    len: u64,
    first_line: String,
}

impl Frames {
    /// A new file, in place of any other.
    pub(super) fn create(path: &Path, namespace: &str) -> Result<Frames, StoreError> {
        // JSON: the name may hold anything.
        let first_line = format!("{MAGIC}{FORMAT} {}\n", serde_json::Value::from(namespace));
        let file = write_whole(path, first_line.as_bytes())?;
        Ok(Frames { path: path.to_owned(), file, len: first_line.len() as u64, first_line })
    }

    /// Reads a file, frame by frame, and goes on behind the last one. Says whose it is, and how many bytes of a frame that was only half
    /// written are gone.
    pub(super) fn open(
        path: &Path,
        mut take: impl FnMut(u64, &[u8]) -> Result<(), StoreError>,
    ) -> Result<(Frames, String, u64), StoreError> {
        let bytes = fs::read(path).map_err(StoreError::io(path))?;
        let foreign = || StoreError::Foreign(path.to_owned());
        let end = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(foreign)?;
        let line = std::str::from_utf8(&bytes[..end]).map_err(|_| foreign())?;
        let (format, namespace) = line.strip_prefix(MAGIC).and_then(|rest| rest.split_once(' ')).ok_or_else(foreign)?;
        if format != FORMAT {
            return Err(StoreError::Format { path: path.to_owned(), found: format.to_owned() });
        }
        let namespace: String = serde_json::from_str(namespace).map_err(|_| foreign())?;
        let first_line = format!("{line}\n");
        let mut at = end + 1;
        while let Some((body, next)) = frame(&bytes, at) {
            match body {
                Some(body) => take(at as u64, body)?,
                // Length and content of the last frame may have reached the disk in any order.
                None if next == bytes.len() => break,
                None => return Err(StoreError::Damaged { path: path.to_owned(), at: at as u64, reason: "a checksum is wrong".to_owned() }),
            }
            at = next;
        }
        let mut file = File::options().write(true).open(path).map_err(StoreError::io(path))?;
        let dropped = (bytes.len() - at) as u64;
        if dropped > 0 {
            file.set_len(at as u64).map_err(StoreError::io(path))?;
        }
        file.seek(SeekFrom::End(0)).map_err(StoreError::io(path))?;
        Ok((Frames { path: path.to_owned(), file, len: at as u64, first_line }, namespace, dropped))
    }

    /// Bytes of the file.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Adds a frame.
    pub(super) fn append(&mut self, body: &[u8]) -> Result<(), StoreError> {
        let frame = framed(body).map_err(StoreError::io(&self.path))?;
        self.file.write_all(&frame).map_err(StoreError::io(&self.path))?;
        self.len += frame.len() as u64;
        Ok(())
    }

    /// Puts one frame in the place of all.
    pub(super) fn replace(&mut self, body: &[u8]) -> Result<(), StoreError> {
        let mut whole = self.first_line.clone().into_bytes();
        whole.extend(framed(body).map_err(StoreError::io(&self.path))?);
        self.file = write_whole(&self.path, &whole)?;
        self.len = whole.len() as u64;
        Ok(())
    }
}

fn framed(body: &[u8]) -> io::Result<Vec<u8>> {
    let len = u32::try_from(body.len()).map_err(|_| io::Error::new(io::ErrorKind::FileTooLarge, "more than 4 GiB at once"))?;
    let mut frame = Vec::with_capacity(HEAD + body.len());
    frame.extend_from_slice(&len.to_le_bytes());
    frame.extend_from_slice(&xxh3_64(body).to_le_bytes());
    frame.extend_from_slice(body);
    Ok(frame)
}

/// The frame at a place, if there is a whole one, and where the next one begins. `None` for its body if the checksum is wrong.
fn frame(bytes: &[u8], at: usize) -> Option<(Option<&[u8]>, usize)> {
    let head: &[u8; HEAD] = bytes.get(at..at + HEAD)?.try_into().ok()?;
    let (len, checksum) = head.split_at(4);
    let len = usize::try_from(u32::from_le_bytes(len.try_into().ok()?)).ok()?;
    let checksum = u64::from_le_bytes(checksum.try_into().ok()?);
    let body = bytes.get(at + HEAD..)?.get(..len)?;
    Some(((xxh3_64(body) == checksum).then_some(body), at + HEAD + len))
}

/// Writes a file beside its place and moves it there, so that there is always a whole one.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<File, StoreError> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{UNFINISHED}"));
    let unfinished = PathBuf::from(unfinished);
    let written = File::create(&unfinished).and_then(|mut file| {
        file.write_all(bytes)?;
        fs::rename(&unfinished, path)?;
        Ok(file)
    });
    written.map_err(|source| {
        // It is worth an error already; what is left of the file says nothing to anybody.
        let _ = fs::remove_file(&unfinished);
        StoreError::Io { path: path.to_owned(), source }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read from a file: its frames, and how many bytes were dropped; or what is wrong with it.
    fn read(path: &Path) -> Result<(Vec<String>, u64), String> {
        let mut bodies = Vec::new();
        let opened = Frames::open(path, |_, body| {
            bodies.push(String::from_utf8_lossy(body).into_owned());
            Ok(())
        });
        let (_, namespace, dropped) = opened.map_err(|error| error.to_string().rsplit('/').next().unwrap_or_default().to_owned())?;
        assert_eq!(namespace, "w 1\n");
        Ok((bodies, dropped))
    }

    fn frames(path: &Path, bodies: &[&str]) -> Frames {
        let mut frames = Frames::create(path, "w 1\n").unwrap();
        bodies.iter().for_each(|body| frames.append(body.as_bytes()).unwrap());
        frames
    }

    fn texts(bodies: &[&str]) -> Vec<String> {
        bodies.iter().map(|body| (*body).to_owned()).collect()
    }

    #[test]
    fn a_file_cut_anywhere_has_all_whole_frames() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.jetlag");
        frames(&path, &["one", "two", ""]);
        let whole = fs::read(&path).unwrap();
        let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let ends = [first, first + HEAD + 3, first + 2 * (HEAD + 3), whole.len()];
        for cut in first..=whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let count = ends.iter().filter(|end| **end <= cut).count() - 1;
            let (bodies, dropped) = read(&path).unwrap();
            assert_eq!((bodies, dropped), (texts(&["one", "two", ""][..count]), (cut - ends[count]) as u64), "cut at {cut}");
            // It goes on behind the last whole one.
            let (mut frames, ..) = Frames::open(&path, |_, _| Ok(())).unwrap();
            frames.append(b"more").unwrap();
            assert_eq!(read(&path).unwrap().0.last().map(String::as_str), Some("more"));
        }
    }

    #[test]
    fn all_is_replaced_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.jetlag");
        let mut frames = frames(&path, &["one", "two"]);
        frames.replace(b"whole").unwrap();
        frames.append(b"next").unwrap();
        assert_eq!(read(&path).unwrap(), (texts(&["whole", "next"]), 0));
        assert_eq!(fs::metadata(&path).unwrap().len(), frames.len());
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn what_is_foreign_or_damaged_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.jetlag");
        frames(&path, &["one", "two"]);
        let whole = fs::read(&path).unwrap();
        let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let with = |at: usize, byte: u8| {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            bytes
        };
        let damaged = format!("f.jetlag is damaged at byte {first}: a checksum is wrong; remove it to begin anew");
        let foreign =
            "f.jetlag is not of a store of jetlag's; choose another folder, or remove it (a real nats-server's store can not be read)";
        for (bytes, expected) in [
            (with(first + HEAD, b'0'), Err(damaged.as_str())),
            (with(first + 5, 0), Err(damaged.as_str())),
            // The last one may be torn.
            (with(whole.len() - 1, b'0'), Ok((texts(&["one"]), HEAD as u64 + 3))),
            (
                with(MAGIC.len(), b'9'),
                Err("f.jetlag was written in format \"9\", and this release reads format 1; remove it to begin anew"),
            ),
            (with(0, b'J'), Err(foreign)),
            (Vec::new(), Err(foreign)),
        ] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(read(&path), expected.map_err(str::to_owned));
        }
    }
}
