//! Statistics of many lists: deviations allowed are five standard deviations and more.

use std::collections::BTreeSet;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tracker_protocol::{AbilityNat, LinkKind, PeerStatus, Power, Role};

use super::*;

const LISTS: usize = 2000;

/// Each in a block of its own, with nothing known.
fn candidates(statuses: &[PeerStatus]) -> Vec<Candidate<'_>> {
    let candidate = |(index, status): (usize, _)| Candidate {
        address: std::net::IpAddr::from([10, 0, u8::try_from(index).unwrap(), 1]),
        cost: 0.0,
        status,
        nat: None,
        links: None,
        online: 0,
        upload: None,
    };
    statuses.iter().enumerate().map(candidate).collect()
}

fn wish(count: usize) -> Wish<'static> {
    Wish {
        count,
        members: 1000,
        ..Wish::default()
    }
}

/// How often each candidate was chosen, and how often for the first place.
fn chosen(wish: &Wish<'_>, candidates: &[Candidate<'_>]) -> (Vec<usize>, Vec<usize>) {
    let mut rng = StdRng::seed_from_u64(7);
    let (mut times, mut first) = (vec![0; candidates.len()], vec![0; candidates.len()]);
    for _ in 0..LISTS {
        // As the candidates come: in random order.
        let order = rand::seq::index::sample(&mut rng, candidates.len(), candidates.len()).into_vec();
        let drawn: Vec<_> = order.iter().map(|index| candidates[*index]).collect();
        let list = choose(&mut rng, wish, &drawn);
        assert_eq!(list.len(), wish.count.min(candidates.len()));
        assert_eq!(list.iter().collect::<BTreeSet<_>>().len(), list.len());
        first[order[list[0]]] += 1;
        list.iter().for_each(|index| times[order[*index]] += 1);
    }
    (times, first)
}

fn status(role: Option<Role>) -> PeerStatus {
    PeerStatus {
        role,
        ..PeerStatus::default()
    }
}

#[test]
fn those_that_nothing_tells_apart_are_chosen_equally_often() {
    let statuses = vec![PeerStatus::default(); 40];
    let (times, first) = chosen(&wish(8), &candidates(&statuses));
    // 2000 × 8 / 40, standard deviation 18; 2000 / 40, standard deviation 7.
    assert!(times.iter().all(|times| (310..490).contains(times)), "{times:?}");
    assert!(first.iter().all(|first| (15..85).contains(first)), "{first:?}");
}

#[test]
fn neighbours_in_one_block_are_chosen_equally_often_too() {
    let statuses = vec![PeerStatus::default(); 40];
    let mut candidates = candidates(&statuses);
    let one = candidates[0].address;
    candidates
        .iter_mut()
        .for_each(|candidate| candidate.address = one);
    let (times, _) = chosen(&wish(8), &candidates);
    assert!(times.iter().all(|times| (310..490).contains(times)), "{times:?}");
}

#[test]
fn those_there_to_serve_come_first_and_burdened_ones_last() {
    let cellular = PeerStatus {
        link: Some(LinkKind::Cellular),
        power: Some(Power::Battery),
        battery: Some(10),
        saver: Some(true),
        ..PeerStatus::default()
    };
    let elsewhere = PeerStatus {
        region: Some("south".to_owned()),
        ..status(Some(Role::Cache))
    };
    let mut statuses = vec![PeerStatus::default(); 40];
    statuses[0] = status(Some(Role::Super));
    statuses[1] = cellular;
    statuses[2] = elsewhere;
    statuses[3] = status(Some(Role::Origin));
    let wish = Wish {
        region: Some("north"),
        ..wish(8)
    };
    let (times, _) = chosen(&wish, &candidates(&statuses));
    assert!(times[0] > 2 * times[10], "{times:?}");
    // The two places drawn at random are what is left to it: 2000 × 2 / 34 and a little.
    assert!((70..200).contains(&times[1]), "{times:?}");
    for same in [2, 3] {
        assert!(times[same].abs_diff(times[10]) < 130, "{times:?}");
    }
}

#[test]
fn preferences_that_are_met_count() {
    let statuses = vec![PeerStatus::default(); 40];
    let wanted = PeerNum {
        ability_nat: Some(AbilityNat::Stun),
        concurrent_links: Some(5),
        online_time: Some(60),
        upload_bandwidth: Some(4000),
        peer_count: None,
    };
    let mut candidates = candidates(&statuses);
    candidates[0].nat = Some(AbilityNat::NoNat);
    candidates[1].links = Some(5);
    candidates[2].upload = Some(4000);
    candidates[3].online = 60;
    candidates[4].nat = Some(AbilityNat::Turn);
    candidates[5].links = Some(4);
    candidates[6].upload = Some(3999);
    let wish = Wish {
        peer_num: Some(&wanted),
        ..wish(8)
    };
    let (times, _) = chosen(&wish, &candidates);
    for better in 0..4 {
        assert!(times[better] > times[10] + 80, "{better}: {times:?}");
    }
    for worse in 4..7 {
        assert!(times[worse] + 60 < times[10], "{worse}: {times:?}");
    }
    let demands_nothing = PeerNum {
        concurrent_links: Some(0),
        online_time: Some(0),
        upload_bandwidth: Some(0),
        ..PeerNum::default()
    };
    let wish = Wish {
        peer_num: Some(&demands_nothing),
        ..wish
    };
    let (times, _) = chosen(&wish, &candidates);
    assert!(times.iter().all(|times| (310..490).contains(times)), "{times:?}");
}

/// An attacker's peers, which claim the best of everything, do not get the places that are drawn uniformly.
#[test]
fn a_fifth_of_each_list_is_drawn_without_looking() {
    let mut statuses = vec![status(Some(Role::Super)); 30];
    statuses.extend(vec![
        PeerStatus {
            saver: Some(true),
            link: Some(LinkKind::Cellular),
            ..PeerStatus::default()
        };
        30
    ]);
    for (count, random) in [(5, 1), (8, 2), (20, 4), (29, 6)] {
        let (times, _) = chosen(&wish(count), &candidates(&statuses));
        let honest: usize = times[30..].iter().sum();
        // Half of those not yet chosen and more are honest, so half of the random places is theirs and more.
        assert!(honest > LISTS * random * 45 / 100, "{count}: {honest}");
        let claimed = times[..30].iter().sum::<usize>();
        assert!(
            claimed > LISTS * (count - random) * 80 / 100,
            "{count}: {claimed}"
        );
    }
}

#[test]
fn no_block_fills_a_list_while_there_are_others() {
    let mut statuses = vec![status(Some(Role::Super)); 40];
    statuses.extend(vec![PeerStatus::default(); 20]);
    let mut candidates = candidates(&statuses);
    for (index, candidate) in candidates[..40].iter_mut().enumerate() {
        candidate.address = match index % 2 {
            0 => format!("2001:db8:7:{index:x}::1").parse().unwrap(),
            _ => format!("192.0.2.{index}").parse().unwrap(),
        };
    }
    let mut rng = StdRng::seed_from_u64(8);
    for (count, cap) in [(4, 2), (8, 2), (16, 4), (29, 7)] {
        for _ in 0..100 {
            let list = choose(&mut rng, &wish(count), &candidates);
            let v6 = list.iter().filter(|index| **index < 40 && **index % 2 == 0);
            let v4 = list.iter().filter(|index| **index < 40 && **index % 2 == 1);
            assert!(v6.count() <= cap && v4.count() <= cap, "{count}: {list:?}");
            assert_eq!(list.len(), count);
        }
    }
    // Where there are no others, it does.
    assert_eq!(choose(&mut rng, &wish(29), &candidates[..40]).len(), 29);
}

#[test]
fn small_swarms_name_somebody_strong() {
    let mut rng = StdRng::seed_from_u64(9);
    for role in [Role::Super, Role::Cache, Role::Cdn, Role::Origin] {
        let statuses = [status(None), status(Some(role)), status(Some(Role::Browser))];
        let candidates = candidates(&statuses);
        let small = Wish {
            members: 4,
            ..wish(1)
        };
        for _ in 0..100 {
            assert_eq!(choose(&mut rng, &small, &candidates), [1]);
        }
        let large = Wish {
            members: 5,
            ..wish(1)
        };
        assert!((0..100).any(|_| choose(&mut rng, &large, &candidates) != [1]));
    }
    let nobody = [status(None), status(None)];
    let small = Wish {
        members: 3,
        ..wish(1)
    };
    assert_eq!(choose(&mut rng, &small, &candidates(&nobody)).len(), 1);
    assert_eq!(choose(&mut rng, &small, &[]), [0; 0]);
    assert_eq!(
        choose(&mut rng, &Wish { count: 0, ..small }, &candidates(&nobody)),
        [0; 0]
    );
}

#[test]
fn near_ones_come_first_and_a_fifth_is_from_anywhere() {
    let statuses = vec![PeerStatus::default(); 60];
    let mut candidates = candidates(&statuses);
    for (index, candidate) in candidates.iter_mut().enumerate() {
        candidate.cost = match index {
            0..20 => 1.0,
            20..40 => 5.0,
            _ => 20.0,
        };
    }
    let (times, first) = chosen(&wish(10), &candidates);
    let group = |times: &[usize], group: usize| times[20 * group..][..20].iter().sum::<usize>();
    let (near, middle, far) = (group(&times, 0), group(&times, 1), group(&times, 2));
    // Eight places by weight, two from anywhere: those are far in 20 of 52 cases and more.
    assert!(near > middle && middle > far, "{near} {middle} {far}");
    assert!(
        (2 * LISTS * 35 / 100..2 * LISTS * 65 / 100).contains(&far),
        "{far}"
    );
    assert!(group(&first, 2) < LISTS * 4 / 100, "{first:?}");
    // Costs have no unit.
    candidates
        .iter_mut()
        .for_each(|candidate| candidate.cost = candidate.cost * 1e-6 + 7.0);
    let (scaled, _) = chosen(&wish(10), &candidates);
    assert!(group(&scaled, 2).abs_diff(far) < 200, "{far} {scaled:?}");
}
