// Package journal keeps records on stable storage until they are released.
//
// Append returns when the record is flushed; one flush serves every request
// that arrived during the flush before it. Readers deliver what is durable, in
// order. A record is opaque: its owner decides what an entry and a mark mean.
//
// # Files
//
// A journal is a directory of segments, named
// <first sequence>-<generation>-<salt>.seg, of a claim, owner-<number>, and of
// damaged/, where damaged bytes are copied to. A segment is a row of frames (see appendFrame). The first frame is
// its header: it names the segment before it and says up to which length that one
// is valid, and it holds the owner's checkpoint. What lies beyond that length is
// void: a batch whose flush failed, and whose callers were told so. Every checksum
// starts from the salt, so that bytes which somebody puts into a payload are
// never taken for a frame when a reader looks for the next one behind damage.
//
// # The flush rule
//
// A batch is written only when the batch before it is flushed, and each frame
// tells where its batch starts. So a bad frame with a good frame of a later batch
// behind it was once on stable storage: damage, which is reported. A bad frame
// with nothing later behind it is what a crash leaves of a batch that nobody was
// told about: it is cut off without a word. One case looks the same: damage to the
// very last batch before a crash. A clean Close ends the log with a seal, so that
// this cannot be confused there.
//
// A failed flush is final for its segment: the kernel may have dropped the pages
// and call the next flush a success. The journal leaves the segment, and the
// header of the next one declares where it ended. Open does the same with the last
// segment of an earlier process, for it cannot know what that one saw fail: what it
// read of it, it writes and flushes again, and then begins a segment of its own.
//
// # Zeros ahead
//
// On a file system that writes in place, the committer writes zeros behind a batch that
// used up those before, and flushes both at once. Later batches take the place of
// zeros: that changes neither the size nor the blocks of the file, and the file system need
// not write its own journal for a flush. Zeros are no frame. With no frame
// behind them they end the segment as a torn batch does, and with one they are
// damage, so recovery needs no rule of its own for them. They are no more than the segment
// holds, 256 KiB, or an eighth of the room for entries, are not counted in Stats.Bytes, and
// are cut off when the segment is left and at Close: only a crash leaves some. A batch of
// 256 KiB or more carries none.
//
// The size of the active file says nothing of how much is written. Scan, which may read
// beside the committer, takes the last byte that is not zero for the end, and four more, for
// the checksum that a frame ends with may end with zeros.
//
// A copy that reads the active file slowly, while records take the place of zeros, may have
// zeros of before and a record of after behind them. It looks damaged, and is: see docs/outbox.md.
//
// # What the disk cannot read
//
// A page that stays unreadable at the second try reads as zeros, so that the
// checksums tell what is lost, and all behind it is read. It is damage also at the
// end of the newest segment, where a bad frame is else taken for a torn batch: what
// was in it may have been acknowledged. While a disk is gone as a whole, which
// shows in that it cannot be written to either, nothing is lost, and a Reader
// returns the error.
//
// # One owner
//
// The owner of a journal holds a lock on its directory, but a lock file can be
// removed, and not every file system locks. So Open makes a claim, a file with a
// number above all those before, and removes the older ones, before it lists the
// segments. The committer looks whether its claim is still there after each flush,
// before it answers anybody. On one host, where all processes see the same files,
// this is enough: if it finds the claim, the flush was over before the newer process
// listed the segments, so that one reads all that was answered. If it does not, the
// batch is answered ErrUnknown, and everything after it ErrVoid, with ErrTaken. It
// looks also before it begins or removes a segment, and before anything is put into
// a new one. A segment that was begun in that moment is empty, and its generation,
// whose high bits are the claim's number, is below those of the newer process: the
// next Open takes it for litter. The claim is looked up by name, which needs no
// descriptor, and also shows that the directory was removed. Between hosts it is
// seen as late as the cache of their file system allows.
//
// # What the owner must do
//
// Segments are reclaimed whole, with the marks and the checkpoint in them. The
// state of the owner, rebuilt from the checkpoint of the first remaining segment
// and every record after it, is complete if the owner keeps four rules:
//
//   - It changes its state first and calls Mark afterwards. So a checkpoint covers
//     every mark that precedes it in the log.
//   - Applying a mark that the checkpoint already covers changes nothing: a mark
//     may be queued while a checkpoint is taken, and follow it in the log.
//   - What it counts per entry, it derives from sequence numbers: Record.Seq of a
//     mark or checkpoint is the last entry before it. An entry may be on disk
//     before the owner's Append has returned, and so precede a checkpoint that
//     does not know it yet. It is not reclaimed before the owner releases it.
//   - It calls Mark before it calls Release for the same entries: marks are flushed
//     before a segment is removed. (On a full disk, where the removal is what makes
//     room for the mark, the removal goes first.) Entries below Stats.First
//     were released, whatever the marks say. The same holds for what Yield returns.
package journal
