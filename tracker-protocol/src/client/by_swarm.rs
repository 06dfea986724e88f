//! What is kept for each swarm. There are few: a list in order instead of a tree, whose code would be in every
//! browser's bundle (6 KB of it for each type of value).

/// Values by swarm ID, in the order of the IDs.
#[derive(Clone, Debug)]
pub(super) struct BySwarm<V>(Vec<(String, V)>);

impl<V> BySwarm<V> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn position(&self, swarm: &str) -> Option<usize> {
        self.0.iter().position(|(id, _)| id == swarm)
    }

    pub(super) fn contains_key(&self, swarm: &str) -> bool {
        self.position(swarm).is_some()
    }

    pub(super) fn get(&self, swarm: &str) -> Option<&V> {
        Some(&self.0[self.position(swarm)?].1)
    }

    pub(super) fn get_mut(&mut self, swarm: &str) -> Option<&mut V> {
        let at = self.position(swarm)?;
        Some(&mut self.0[at].1)
    }

    pub(super) fn insert(&mut self, swarm: String, value: V) {
        self.remove(&swarm);
        let at = self.0.iter().take_while(|(id, _)| *id < swarm).count();
        self.0.insert(at, (swarm, value));
    }

    pub(super) fn remove(&mut self, swarm: &str) {
        if let Some(at) = self.position(swarm) {
            self.0.remove(at);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &V)> {
        self.0.iter().map(|(swarm, value)| (swarm, value))
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }
}
