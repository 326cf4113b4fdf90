//! A connection as it is at a distance.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A connection to a peer a round trip away. Loopback connects at once; so what is sent before the
/// handshake would have returned counts as sent when it would.
///
/// Received data waits here for the whole round trip, and sent data leaves at once. The other side
/// sees the same as if each way took half of it: an answer comes a round trip after its request. That
/// needs one timer where two halves need two.
///
/// Each piece waits by itself: a transfer in many pieces takes one round trip, not one for each.
pub(crate) struct Distant {
    socket: TcpStream,
    round_trip: Duration,
    connected: Instant,
    waiting: VecDeque<(Instant, Vec<u8>)>,
    ended: bool,
}

impl Distant {
    pub(crate) fn new(
        socket: TcpStream,
        accepted: Instant,
        round_trip: Duration,
    ) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            round_trip,
            connected: accepted + round_trip,
            waiting: VecDeque::new(),
            ended: false,
        })
    }

    /// Takes in what has arrived, or what arrives next.
    fn receive(&mut self) -> io::Result<()> {
        let mut piece = vec![0; 16 * 1024];
        let length = self.socket.read(&mut piece)?;
        let sent = Instant::now().max(self.connected);
        if length == 0 {
            self.ended = true;
        } else {
            piece.truncate(length);
            self.waiting.push_back((sent + self.round_trip, piece));
        }
        Ok(())
    }

    /// Whether something arrives within `time`.
    fn arrives(&self, time: Duration) -> io::Result<bool> {
        let mut sockets = [PollFd::new(&self.socket, PollFlags::IN)];
        let time = Timespec::try_from(time).map_err(io::Error::other)?;
        Ok(poll(&mut sockets, Some(&time))? > 0)
    }
}

impl Read for Distant {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some((due, piece)) = self.waiting.front_mut() else {
                if self.ended {
                    return Ok(0);
                }
                self.receive()?;
                continue;
            };
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let length = piece.len().min(buffer.len());
                buffer[..length].copy_from_slice(&piece[..length]);
                piece.drain(..length);
                if piece.is_empty() {
                    self.waiting.pop_front();
                }
                return Ok(length);
            }
            if self.ended {
                std::thread::sleep(left);
            } else if self.arrives(left)? {
                self.receive()?;
            }
        }
    }
}

impl Write for Distant {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
