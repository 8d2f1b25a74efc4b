//! The ten payloads of `../fuzz_shared.c`.

const SIZE_MAX: usize = 65535;

pub fn of(pattern: usize) -> Vec<u8> {
    match pattern % 10 {
        0 => Vec::new(),
        1 => vec![0; 1],
        2 => vec![0xff; 1],
        3 => vec![0; 1024],
        4 => vec![0xff; 1024],
        5 => vec![0; SIZE_MAX],
        6 => (0..=255).collect(),
        7 => b"GET / HTTP/1.1\r\nHost: test\r\n\r\n".to_vec(),
        8 => b"{\"test\":\"value\"}".to_vec(),
        _ => vec![0xaa; 1000],
    }
}
