//! Verdicts on a cluster that a test built, in one call.

use flow_model::decision::Verdict;
use flow_model::testing::Cluster;

use crate::Plain;

/// Judges connections of a built cluster.
pub trait Judged {
    /// Returns the evaluator over this cluster.
    fn plain(&self) -> Plain;

    /// Returns the verdict on a connection: from, to, and `5432` or `udp/53`.
    fn judge(&self, src: &str, dst: &str, port: &str) -> Verdict;
}

impl Judged for Cluster {
    fn plain(&self) -> Plain {
        Plain::new(self.inventory())
    }

    fn judge(&self, src: &str, dst: &str, port: &str) -> Verdict {
        let plain = self.plain();
        let connection = self.connection(src, dst, port);
        let verdict = plain.judge(&connection);
        assert_eq!(plain.rule(&connection), verdict.ruling(), "judge and rule agree");
        verdict
    }
}
