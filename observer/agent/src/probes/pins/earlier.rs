//! Maps of another layout, which an agent of another version or with other sizes left.

use std::io;
use std::path::Path;

use aya::Pod;
use aya::maps::{Map, MapData};
use observer_abi::{Counters, DropKey, PINNED_ABI, PairKey};
use tracing::{info, warn};

use super::Pins;
use super::bpffs::remove_tree;
use crate::probes::batch::Batches;

const TAKEN: &str = "an agent of another version or with other sizes left these maps: their counts were taken over, open attempts and \
     unread records were not";
const LOST: &str = "an agent of another version left these maps, which this one can't read: what they counted since the end of that \
     agent is lost";

/// The counts that an earlier agent left in maps of its own.
#[derive(Debug, Default)]
pub(in crate::probes) struct Left {
    pub(in crate::probes) pairs: Vec<(PairKey, Counters)>,
    pub(in crate::probes) drops: Vec<(DropKey, u64)>,
}

impl Pins {
    /// Passes on the counts in the maps of other layouts, and removes those then. To be called when no program writes to them
    /// any more. Attempts and connections that were only in them are forgotten.
    pub(in crate::probes) fn migrate(&self, mut take: impl FnMut(&Left)) {
        for dir in self.earlier_maps() {
            let maps = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match read(&dir, &maps) {
                Ok(left) => {
                    take(&left);
                    info!(maps, "{TAKEN}");
                }
                Err(error) => warn!(maps, %error, "{LOST}"),
            }
            if let Err(error) = remove_tree(&dir) {
                warn!(%error, maps, "old maps can't be removed; `flow-observer cleanup` does that");
            }
        }
    }
}

/// Reads the counters of a directory.
fn read(dir: &Path, name: &str) -> io::Result<Left> {
    if !name.starts_with(&format!("maps-v{PINNED_ABI}-")) {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "the layout of its counters is another"));
    }
    let mut left = Left::default();
    for generation in 0..2 {
        left.pairs.extend(entries::<PairKey, Counters>(&dir.join(format!("PAIRS_{generation}")))?);
        left.drops.extend(entries::<DropKey, u64>(&dir.join(format!("DROPS_{generation}")))?);
    }
    Ok(left)
}

fn entries<K: Pod, V: Pod>(path: &Path) -> io::Result<Vec<(K, V)>> {
    let data = MapData::from_pin(path).map_err(io::Error::other)?;
    let info = data.info().map_err(io::Error::other)?;
    if (info.key_size() as usize, info.value_size() as usize) != (size_of::<K>(), size_of::<V>()) {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "its counters have another size"));
    }
    Batches::of(&Map::HashMap(data))?.read()
}
