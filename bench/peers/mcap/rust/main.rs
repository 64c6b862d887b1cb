// SPDX-License-Identifier: Apache-2.0
//! Usage: mcap-rust FILE SIZE COUNT CHUNK [--sync]. COUNT messages of SIZE bytes by the crate mcap, in chunks
//! of CHUNK bytes, without compression, with their CRC.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

fn cpu_s() -> f64 {
    let mut used: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut used) };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(used.ru_utime) + seconds(used.ru_stime)
}

fn write(path: &str, size: usize, count: u64, chunk: u64, sync: bool) -> Result<(), Box<dyn Error>> {
    let mut message: Vec<u8> = (0..size).map(|i| (i * 167 + i / 251) as u8).collect();
    let (began, cpu) = (Instant::now(), cpu_s());
    let file = File::create(path)?;
    let mut writer = mcap::WriteOptions::new()
        .compression(None)
        .chunk_size(Some(chunk))
        .calculate_chunk_crcs(true)
        .calculate_data_section_crc(false)
        .create(BufWriter::with_capacity(1 << 20, &file))?;
    let channel_id = writer.add_channel(0, "bench", "", &BTreeMap::new())?;
    for number in 0..count {
        message[..8].copy_from_slice(&number.to_le_bytes());
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64;
        let header = mcap::records::MessageHeader {
            channel_id,
            sequence: number as u32,
            log_time: now,
            publish_time: now,
        };
        writer.write_to_known_channel(&header, &message)?;
    }
    writer.finish()?;
    drop(writer);
    if sync {
        file.sync_all()?;
    }
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu_s() - cpu);
    println!(
        "{{\"value\": {:.3}, \"seconds\": {:.6}, \"cpu_s\": {:.6}}}",
        count as f64 / seconds,
        seconds,
        cpu
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().collect();
    if words.len() < 5 {
        return Err("usage: mcap-rust FILE SIZE COUNT CHUNK [--sync]".into());
    }
    write(
        &words[1],
        words[2].parse()?,
        words[3].parse()?,
        words[4].parse()?,
        words.iter().any(|word| word == "--sync"),
    )
}
