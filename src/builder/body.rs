//! A request body that is written by a thread and read by the engine.
//!
//! Bounded: the writer waits for the reader. The body ends well only if its end was announced: a writer that gave up or
//! panicked ends it with an error, so that the engine never takes a piece of a context for the whole.

use std::io::{self, Write};

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::mpsc;

/// Pieces under way between writer and reader; each is at most [`PIECE`] bytes.
const IN_FLIGHT: usize = 16;
const PIECE: usize = 128 * 1024;

enum Message {
    Piece(Bytes),
    End,
}

/// The end that is written to, from a thread that may block.
pub(super) struct BodyWriter {
    buffer: Vec<u8>,
    messages: mpsc::Sender<Message>,
}

/// A body and the end that it is written to.
pub(super) fn body() -> (BodyWriter, impl Stream<Item = io::Result<Bytes>> + Send + 'static) {
    let (messages, receiver) = mpsc::channel(IN_FLIGHT);
    let read = stream::unfold(Some(receiver), async |receiver| {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Message::Piece(piece)) => Some((Ok(piece), Some(receiver))),
            Some(Message::End) => None,
            None => Some((Err(io::Error::other("what was to be sent was cut short")), None)),
        }
    });
    (BodyWriter { buffer: Vec::with_capacity(PIECE), messages }, read)
}

impl BodyWriter {
    /// Announces the end.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.send(Message::End)
    }

    fn send(&self, message: Message) -> io::Result<()> {
        self.messages.blocking_send(message).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for BodyWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() == PIECE {
            self.flush()?;
        }
        let count = bytes.len().min(PIECE - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        self.send(Message::Piece(full.into()))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    async fn read_all(write: impl FnOnce(BodyWriter) + Send + 'static) -> (usize, bool) {
        let (writer, stream) = body();
        tokio::task::spawn_blocking(move || write(writer));
        let (mut bytes, mut whole) = (0, true);
        let mut stream = Box::pin(stream);
        while let Some(piece) = stream.next().await {
            match piece {
                Ok(piece) => bytes += piece.len(),
                Err(_) => whole = false,
            }
        }
        (bytes, whole)
    }

    #[tokio::test]
    async fn what_is_written_and_finished_arrives_whole() {
        let size = PIECE * (IN_FLIGHT + 3) + 5;
        let read = read_all(move |mut writer| {
            writer.write_all(&vec![7; size]).unwrap();
            writer.finish().unwrap();
        });
        assert_eq!(read.await, (size, true));
    }

    #[tokio::test]
    async fn a_writer_that_gives_up_ends_the_body_with_an_error() {
        let read = read_all(|mut writer| writer.write_all(&vec![7; PIECE + 1]).unwrap());
        assert_eq!(read.await, (PIECE, false));
    }

    #[tokio::test]
    async fn a_reader_that_has_gone_stops_the_writer() {
        let (mut writer, stream) = body();
        drop(stream);
        let written = tokio::task::spawn_blocking(move || writer.write_all(&vec![7; PIECE * 2]));
        assert_eq!(written.await.unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
