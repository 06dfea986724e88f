//! Which region and autonomous system an address is in, where that is all that is known of the networks.

/// Cost of a pair that has nothing in common.
pub(super) const MOST: f32 = 3.0;
/// Autonomous systems that differ, or of which one is not known.
const OTHER_SYSTEM: f32 = 1.0;
/// Countries that differ, of one continent.
const OTHER_COUNTRY: f32 = 1.0;
/// Neither the continent nor the region is the same, or one is not known.
const OTHER_REGION: f32 = 2.0;

/// What is not known is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Region {
    /// The autonomous system's number.
    pub(super) system: u32,
    /// A country, or what an operator calls a region; by its number in the map.
    pub(super) area: u16,
    /// What lies around it.
    pub(super) continent: u16,
}

impl Region {
    pub(super) fn is_known(self) -> bool {
        self != Self::default()
    }

    /// In words, where the area has a name.
    pub(super) fn describe(self, area: Option<&str>) -> String {
        match (area, self.system) {
            (Some(area), 0) => area.to_owned(),
            (Some(area), system) => format!("{area} AS{system}"),
            (None, 0) => String::new(),
            (None, system) => format!("AS{system}"),
        }
    }

    /// What traffic between two costs: nothing within a region's part of an autonomous system.
    pub(super) fn cost(self, other: Self) -> f32 {
        fn same<N: PartialEq + Default>(one: N, other: N) -> bool {
            one == other && one != N::default()
        }
        let system = match same(self.system, other.system) {
            true => 0.0,
            false => OTHER_SYSTEM,
        };
        let area = match (same(self.area, other.area), same(self.continent, other.continent)) {
            (true, _) => 0.0,
            (false, true) => OTHER_COUNTRY,
            (false, false) => OTHER_REGION,
        };
        system + area
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_two_have_in_common_the_less_it_costs() {
        let region = |system, area, continent| Region {
            system,
            area,
            continent,
        };
        let here = region(64500, 1, 1);
        for (there, expected) in [
            (here, 0.0),
            (region(64501, 1, 1), 1.0),
            (region(64500, 2, 1), 1.0),
            (region(64501, 2, 1), 2.0),
            (region(64500, 3, 2), 2.0),
            (region(64501, 3, 2), MOST),
            // Not known is not the same.
            (region(0, 1, 1), 1.0),
            (region(0, 0, 0), MOST),
        ] {
            assert_eq!(
                (here.cost(there), there.cost(here)),
                (expected, expected),
                "{there:?}"
            );
        }
        assert_eq!(Region::default().cost(Region::default()), MOST);
    }
}
