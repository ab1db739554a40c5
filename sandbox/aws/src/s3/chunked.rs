//! The body encoding `aws-chunked`, in which SDKs send a checksum behind the data
//! (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html).

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header};

const HASH: &str = "x-amz-content-sha256";

pub fn is_chunked(headers: &HeaderMap) -> bool {
    headers.get(HASH).is_some_and(|value| value.as_bytes().starts_with(b"STREAMING-"))
}

/// `<size in hex>[;chunk-signature=...]\r\n<data>\r\n` until a chunk of size 0; the trailers behind
/// it are left out.
pub fn decode(mut body: &[u8]) -> Option<Bytes> {
    let mut decoded = BytesMut::new();
    loop {
        let end = body.windows(2).position(|window| window == b"\r\n")?;
        let (line, rest) = (&body[..end], &body[end + 2..]);
        let size = std::str::from_utf8(line.split(|byte| *byte == b';').next()?).ok()?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(decoded.freeze());
        }
        decoded.extend_from_slice(rest.get(..size)?);
        body = rest[size..].strip_prefix(b"\r\n")?;
    }
}

/// Headers for the decoded body.
pub fn plain(headers: &mut HeaderMap, length: usize) {
    for name in [HASH, "x-amz-decoded-content-length", "x-amz-trailer"] {
        headers.remove(name);
    }
    headers.insert(header::CONTENT_LENGTH, length.into());
    let encodings = headers.remove(header::CONTENT_ENCODING);
    let encodings = encodings
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim);
    let others = encodings
        .filter(|encoding| !encoding.is_empty() && *encoding != "aws-chunked")
        .collect::<Vec<_>>()
        .join(",");
    if let Some(value) = HeaderValue::from_str(&others).ok().filter(|value| !value.is_empty()) {
        headers.insert(header::CONTENT_ENCODING, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_and_trailers_left_out() {
        let body =
            b"4;chunk-signature=ab\r\nWi\r\n\r\n3\r\nki!\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
        assert_eq!(decode(body).unwrap(), "Wi\r\nki!");
        assert_eq!(decode(b"0\r\n\r\n").unwrap(), "");
        assert_eq!(decode(b"5\r\nab"), None);
        assert_eq!(decode(b"no chunks"), None);
    }
}
