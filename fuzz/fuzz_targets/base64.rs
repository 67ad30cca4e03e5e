//! The decoder that works in place gives what the `base64` crate makes of the
//! whole text in a buffer of its own, and the encoder what that crate writes.

#![no_main]

use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};
use libfuzzer_sys::fuzz_target;
use pop3::sasl::base64::{decode, encode};

/// Padding may be missing, in part as well.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fuzz_target!(|data: &[u8]| {
    let mut text = data.to_vec();
    let decoded = decode(&mut text).ok().map(|bytes| bytes.to_vec());
    assert_eq!(decoded, LENIENT.decode(data).ok());

    let mut encoded = vec![];
    encode(data, |piece| encoded.extend_from_slice(piece));
    assert_eq!(encoded, STANDARD.encode(data).as_bytes());

    let decoded = decode(&mut encoded).map(|bytes| bytes.to_vec());
    assert_eq!(decoded.as_deref(), Ok(data));
});
