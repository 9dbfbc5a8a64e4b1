//! How a stream of messages from the engine ends.

use bollard::errors::Error;

/// Whether this error is no more than the end of the stream: the engine ends each message with a line end, and where
/// that of the last message arrives alone, the decoder is left with white space that it takes for an unfinished message.
/// A stream that breaks off is another error, of the connection.
pub(super) fn is_end(error: &Error) -> bool {
    matches!(error, Error::IOError { err } if err.to_string() == "bytes remaining on stream")
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::Duration;

    use bollard::Docker;
    use bollard::query_parameters::PushImageOptions;
    use futures_util::StreamExt;

    use super::*;

    /// The end of the stream that an engine gives which writes these pieces one after the other, as HTTP chunks.
    async fn end(pieces: &'static [&'static str], finished: bool) -> Option<Error> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 8192]).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
            for piece in pieces {
                write!(stream, "{:x}\r\n{piece}\r\n", piece.len()).unwrap();
                std::thread::sleep(Duration::from_millis(100));
            }
            if finished {
                stream.write_all(b"0\r\n\r\n").unwrap();
            }
        });
        let docker = Docker::connect_with_http(&address, 10, bollard::API_DEFAULT_VERSION).unwrap();
        let mut messages = docker.push_image("a", None::<PushImageOptions>, None);
        let mut error = None;
        while let Some(message) = messages.next().await {
            error = message.err();
        }
        serving.join().unwrap();
        error
    }

    #[tokio::test]
    async fn a_last_line_end_that_arrives_alone_is_the_end_and_a_broken_connection_is_not() {
        assert!(end(&["{\"status\":\"a\"}\r\n"], true).await.is_none());
        let late = end(&["{\"status\":\"a\"}\r\n{\"status\":\"b\"}", "\r\n"], true).await;
        assert!(late.as_ref().is_none_or(is_end), "{late:?}");
        assert!(late.is_some(), "the decoder takes it by now: nothing is left to be made up for");
        let broken = end(&["{\"status\":\"a\"}\r\n{\"sta"], false).await.unwrap();
        assert!(!is_end(&broken), "{broken:?}");
    }
}
