"""What RFC 9568 and RFC 3768 ask of a router in sections 5 to 8, in our words, and where each is proved.

`Sentence.proof` is one of:
- the name of a test of this folder, which has the section in it;
- `kernel/…::test_…`, `linux/…::test_…` and the like: a test elsewhere under tests;
- `kept not: …`: the words of docs/pairing.md that say so, and why;
- `not ours: …`: why there is nothing to do.
"""

from typing import NamedTuple


class Sentence(NamedTuple):
    """A rule of a section."""

    section: str
    rule: str
    proof: str


NO_ROUTER = "kept not: It is no default router"
OWN_MAC = "kept not: Adverts and addresses have the interface's own MAC"
VIRTUAL_MAC = "kernel/test_vrrp_wires.py::test_with_a_virtual_mac_neighbours_see_that_and_nothing_else"
ON_THE_WIRE = "kernel/test_vrrp_wires.py::test_an_advert_arrives_as_it_was_crafted_and_does_not_come_back"
ADDRESSES = "kernel/test_vrrp_wires.py::test_a_master_has_its_addresses_routes_and_rules_and_afterwards_nothing_of_them"
LEARNED = "kernel/test_vrrp_wires.py::test_neighbours_learn_at_once_where_an_address_went"
ARP = "linux/test_crafting.py::test_an_ipv4_address_is_announced_as_a_request_and_as_a_reply_to_everybody"
NA = "linux/test_crafting.py::test_an_ipv6_address_is_announced_to_all_nodes_as_overriding_what_they_knew"
STATES = "core/vrrp/test_invariants.py::test_states_addresses_and_signs_fit_whatever_happens"
COUNTED = "kept not: Dropped adverts are counted by reason"
INTERVALS = "kept not: Another interval is learned and not complained of"
PROGRAMS = "linux/acceptance_in_kernel.py::test_programs_of_this_machine_are_reached_only_where_packets_are_accepted"
NEIGHBOURS = "linux/acceptance_in_kernel.py::test_neighbours_still_find_an_address_that_accepts_nothing"
CHECKSUM = "kept not: the checksum is sent with a pseudo-header"
ONE_VERSION = "kept not: An instance speaks one version"
REDIRECTS = "kept not: Redirects are the kernel's"
TAKEN_FIRST = "core/vrrp/test_rfc9568_section_6.py::test_6_4_1_an_owner_adverts_announces_and_is_master_at_once"
NOT_ROUTED = "not ours: what is for an address of this machine ends here; IPVS hands it on, which is its work"
OWNER = "kept not: The owner (255) does not drop what others advert"

RFC9568 = (
    Sentence("5.1.1.1", "the source is the interface's primary IPv4 address", ON_THE_WIRE),
    Sentence("5.1.1.2", "adverts go to 224.0.0.18", ON_THE_WIRE),
    Sentence("5.1.1.2", "nobody forwards what goes there", "not ours: Linux forwards nothing to 224.0.0.0/24"),
    Sentence("5.1.1.3", "the TTL is 255", ON_THE_WIRE),
    Sentence("5.1.1.3", "another TTL is discarded", "test_section_5_1_1_3_and_7_1_the_hop_limit_must_be_255"),
    Sentence("5.1.1.4", "the protocol is 112", ON_THE_WIRE),
    Sentence("5.1.2.1", "the source is the interface's link-local address", ON_THE_WIRE),
    Sentence("5.1.2.2", "adverts go to ff02::12", ON_THE_WIRE),
    Sentence("5.1.2.2", "nobody forwards what goes there", "not ours: Linux forwards nothing to a link-local group"),
    Sentence("5.1.2.3", "the hop limit is 255", ON_THE_WIRE),
    Sentence("5.1.2.3", "another is discarded", "test_section_5_1_2_3_and_7_1_the_hop_limit_must_be_255_over_ipv6"),
    Sentence("5.2.1", "the version is 3", "test_section_5_2_1_another_version_is_dropped"),
    Sentence("5.2.2", "an unknown type is discarded", "test_section_5_2_2_a_packet_with_an_unknown_type_is_discarded"),
    Sentence("5.2.4", "the owner has priority 255", "test_section_5_2_4_an_owner_stays_at_255"),
    Sentence(
        "5.2.4", "others have 1 to 254", "test_section_5_2_4_who_does_not_own_the_addresses_stays_within_1_to_254"
    ),
    Sentence(
        "5.2.4",
        "0 says that the master stops",
        "core/vrrp/test_rfc9568_section_6.py::test_6_4_3_on_shutdown_it_sends_priority_zero",
    ),
    Sentence("5.2.5", "no address: ignored", "test_section_5_2_5_an_advert_of_no_address_is_ignored"),
    Sentence(
        "5.2.6",
        "reserved bits are sent as 0",
        "linux/test_crafting.py::test_version_3_over_ipv4_has_each_destination_in_its_checksum",
    ),
    Sentence("5.2.6", "and ignored", "test_section_5_2_6_reserved_bits_are_ignored_on_reception"),
    Sentence("5.2.7", "the interval is centiseconds", "test_section_5_2_7_the_interval_is_twelve_bits_of_centiseconds"),
    Sentence("5.2.8", "IPv4: the checksum is over the message", CHECKSUM),
    Sentence("5.2.8", "so it is taken", "test_section_5_2_8_over_ipv4_a_checksum_over_the_message_alone_is_taken"),
    Sentence("5.2.8", "IPv6: over a pseudo-header, too", "test_section_5_2_8_over_ipv6_the_pseudo_header_is_needed"),
    Sentence("5.2.9", "IPv6: the first address is link-local", "kept not: The first IPv6 address may be any"),
    Sentence(
        "5.2.9",
        "the addresses are of the packet's family",
        "test_section_5_2_9_addresses_are_of_the_family_of_the_packet_that_lists_them",
    ),
    Sentence(
        "6.1",
        "defaults: 100, a second, preempt",
        "test_6_1_unless_told_otherwise_the_priority_is_100_the_interval_a_second_and_it_preempts",
    ),
    Sentence("6.1", "default: accept nothing", "kept not: Packets to the addresses are accepted"),
    Sentence("6.1", "neighbour discovery passes all the same", NEIGHBOURS),
    Sentence(
        "6.1",
        "Skew_Time",
        "test_6_1_skew_time_is_256_less_the_priority_times_the_masters_interval_over_256",
    ),
    Sentence("6.1", "Active_Down_Interval", "test_6_1_the_down_interval_is_three_of_the_masters_and_the_skew"),
    Sentence("6.1", "an owner always preempts", "test_6_1_the_owner_preempts_whatever_preempt_mode_says"),
    Sentence("6.4.1", "nothing before Startup", "test_6_4_1_nothing_happens_before_startup"),
    Sentence("6.4.1", "an owner becomes Active", "test_6_4_1_an_owner_adverts_announces_and_is_master_at_once"),
    Sentence("6.4.1", "announced by gratuitous ARP", ARP),
    Sentence("6.4.1", "or unsolicited advertisements", NA),
    Sentence("6.4.1", "others become Backup", "test_6_4_1_anybody_else_is_backup_with_the_down_timer_set"),
    Sentence("6.4.2", "a Backup answers no ARP, no solicitation", ADDRESSES),
    Sentence("6.4.2", "has none of the addresses", STATES),
    Sentence("6.4.2", "sends no router advertisements", "not ours: it sends none at all"),
    Sentence("6.4.2", "hears nothing by the virtual MAC", VIRTUAL_MAC),
    Sentence("6.4.2", "Shutdown", "test_6_4_2_on_shutdown_the_timer_is_cancelled_and_nothing_is_sent"),
    Sentence(
        "6.4.2", "Active_Down_Timer fires", "test_6_4_2_when_the_down_timer_fires_it_adverts_announces_and_is_master"
    ),
    Sentence("6.4.2", "it joins the solicited-node group", VIRTUAL_MAC),
    Sentence("6.4.2", "priority 0: Skew_Time", "test_6_4_2_priority_zero_sets_the_down_timer_to_the_skew"),
    Sentence(
        "6.4.2",
        "not below ours: heeded, interval learned",
        "test_6_4_2_a_priority_not_below_ours_is_the_master_and_its_interval_is_learned",
    ),
    Sentence("6.4.2", "no preempting: any is heeded", "test_6_4_2_without_preempt_any_priority_is_the_master"),
    Sentence("6.4.2", "else discarded", "test_6_4_2_with_preempt_a_lower_priority_is_discarded"),
    Sentence("6.4.3", "an Active router answers ARP and solicitations", ADDRESSES),
    Sentence("6.4.3", "with the router flag; and sends router advertisements", NO_ROUTER),
    Sentence("6.4.3", "takes what goes to the virtual MAC", VIRTUAL_MAC),
    Sentence("6.4.3", "accepts packets if it is to", PROGRAMS),
    Sentence("6.4.3", "neighbour discovery passes all the same", NEIGHBOURS),
    Sentence("6.4.3", "Shutdown: priority 0", "test_6_4_3_on_shutdown_it_sends_priority_zero"),
    Sentence("6.4.3", "Adver_Timer fires", "test_6_4_3_when_the_advert_timer_fires_it_adverts_and_sets_it_again"),
    Sentence(
        "6.4.3",
        "priority 0 is answered",
        "test_6_4_3_priority_zero_is_answered_at_once_and_sets_the_timer_again",
    ),
    Sentence("6.4.3", "higher: Backup", "test_6_4_3_it_gives_way_to_a_higher_priority_and_learns_its_interval"),
    Sentence("6.4.3", "equal, greater address: Backup", "test_6_4_3_among_equals_it_gives_way_to_the_greater_address"),
    Sentence(
        "6.4.3",
        "how addresses compare",
        "test_6_4_3_addresses_compare_as_unsigned_numbers_in_network_byte_order",
    ),
    Sentence("6.4.3", "else discarded and answered", "test_6_4_3_a_lower_priority_is_answered_at_once"),
    Sentence("7.1", "the hop limit is 255", "test_section_5_1_1_3_and_7_1_the_hop_limit_must_be_255"),
    Sentence("7.1", "the version is 3", "test_section_7_1_the_version_must_be_3"),
    Sentence("7.1", "the type is 1", "test_section_7_1_the_type_must_be_that_of_an_advertisement"),
    Sentence("7.1", "it is complete", "test_section_7_1_the_packet_must_be_complete"),
    Sentence("7.1", "the checksum", "test_section_7_1_the_checksum_must_hold"),
    Sentence("7.1", "the VRID", "test_section_7_1_the_router_id_must_be_configured_here"),
    Sentence("7.1", "an owner hears none", OWNER),
    Sentence("7.1", "so it stays", "test_7_1_an_owner_never_gives_way"),
    Sentence("7.1", "an interval of 0 (an erratum)", "test_section_7_1_an_interval_of_nothing_is_dropped"),
    Sentence("7.1", "what fails is logged", COUNTED),
    Sentence(
        "7.1",
        "another interval is heeded",
        "test_section_7_1_another_interval_is_no_reason_to_drop_in_version_3",
    ),
    Sentence("7.1", "and logged", INTERVALS),
    Sentence("7.1", "another list of addresses may be logged", "kept not: Another list of addresses is dropped"),
    Sentence(
        "7.1",
        "so it is",
        "test_section_7_1_another_list_of_addresses_is_dropped_although_it_need_only_be_told",
    ),
    Sentence(
        "7.2",
        "fields and checksum, IPv4",
        "linux/test_crafting.py::test_version_3_over_ipv4_has_each_destination_in_its_checksum",
    ),
    Sentence("7.2", "and IPv6", "linux/test_crafting.py::test_version_3_over_ipv6_is_laid_out_as_the_rfc_says"),
    Sentence("7.2", "the source MAC is the virtual one", OWN_MAC),
    Sentence(
        "7.2",
        "where it is asked for",
        "linux/test_crafting.py::test_with_its_own_hardware_address_an_advert_is_a_frame_from_that_address",
    ),
    Sentence("7.2", "source address, protocol, group", ON_THE_WIRE),
    Sentence("7.3", "the virtual MAC", ON_THE_WIRE),
    Sentence("7.4", "it makes no interface identifiers", "not ours: that interface makes no addresses of its own"),
    Sentence("8.1.1", "redirects come from the address that was used", REDIRECTS),
    Sentence("8.1.2", "ARP is answered with the virtual MAC alone", OWN_MAC),
    Sentence("8.1.2", "where it is asked for", VIRTUAL_MAC),
    Sentence("8.1.2", "a new master announces its addresses", LEARNED),
    Sentence("8.1.2", "once it has them", TAKEN_FIRST),
    Sentence("8.1.3", "proxy ARP has the virtual MAC", "not ours: it does no proxy ARP"),
    Sentence("8.2.1", "redirects come from the address that was used", REDIRECTS),
    Sentence("8.2.2", "solicitations are answered with the virtual MAC alone", OWN_MAC),
    Sentence("8.2.2", "where it is asked for", VIRTUAL_MAC),
    Sentence("8.2.2", "a new master announces its addresses", LEARNED),
    Sentence("8.2.2", "once it has them", TAKEN_FIRST),
    Sentence("8.2.3", "router advertisements of both are the same", NO_ROUTER),
    Sentence("8.2.4", "unsolicited advertisements are heeded", "not ours: the kernel does"),
    Sentence("8.3.1", "who is no owner forwards nothing to the addresses", NOT_ROUTED),
    Sentence("8.3.2", "two with 255 are told", "test_8_3_2_a_second_router_with_priority_255_is_told"),
    Sentence("8.3.2", "two with one priority may be", "test_8_3_2_a_second_master_of_our_own_priority_is_told"),
    Sentence(
        "8.3.2",
        "priorities keep backups apart",
        "test_8_3_2_a_lower_backup_hears_the_advert_of_a_higher_one_before_it_becomes_master",
    ),
    Sentence("8.4.2", "versions 2 and 3 at once, if an implementation likes", ONE_VERSION),
)

RFC3768 = (
    Sentence("5.2.1", "the source is the interface's primary address", ON_THE_WIRE),
    Sentence("5.2.2", "adverts go to 224.0.0.18", ON_THE_WIRE),
    Sentence("5.2.3", "the TTL is 255", ON_THE_WIRE),
    Sentence("5.2.3", "another is discarded", "test_rfc_3768_section_5_2_3_and_7_1_the_ttl_must_be_255"),
    Sentence("5.2.4", "the protocol is 112", ON_THE_WIRE),
    Sentence(
        "5.3.2",
        "an unknown type is discarded",
        "test_rfc_3768_section_5_3_2_a_packet_with_an_unknown_type_is_discarded",
    ),
    Sentence(
        "5.3.4",
        "the owner has 255, others 1 to 254",
        "core/vrrp/test_tracking.py::test_section_5_2_4_an_owner_stays_at_255",
    ),
    Sentence(
        "5.3.6",
        "unknown authentication is discarded",
        "test_rfc_3768_section_5_3_6_an_unknown_type_of_authentication_is_discarded",
    ),
    Sentence(
        "5.3.8",
        "the checksum is over the message",
        "test_rfc_3768_section_5_3_8_the_checksum_is_over_the_message_alone",
    ),
    Sentence("5.3.10", "authentication data is sent as 0", "kept not: A password is sent"),
    Sentence(
        "5.3.10",
        "so it is without a password",
        "linux/test_crafting.py::test_version_2_has_the_password_and_no_pseudo_header",
    ),
    Sentence(
        "5.3.10",
        "and ignored",
        "test_rfc_3768_section_5_3_10_authentication_data_is_ignored_where_there_is_no_password",
    ),
    Sentence(
        "6.1",
        "Skew_Time",
        "test_3768_6_1_the_skew_is_256_less_the_priority_over_256_seconds_whatever_the_interval",
    ),
    Sentence(
        "6.1",
        "Master_Down_Interval",
        "test_3768_6_1_the_down_interval_is_three_of_our_own_intervals_and_the_skew",
    ),
    Sentence(
        "6.1",
        "defaults: 100, a second, preempt",
        "test_3768_6_1_unless_told_otherwise_the_priority_is_100_the_interval_a_second_and_it_preempts",
    ),
    Sentence("6.1", "an owner always preempts", "test_3768_6_1_the_owner_preempts_whatever_preempt_mode_says"),
    Sentence("6.4.1", "an owner becomes Master", "test_3768_6_4_1_an_owner_adverts_announces_and_is_master_at_once"),
    Sentence("6.4.1", "others become Backup", "test_3768_6_4_1_anybody_else_is_backup_with_the_down_timer_set"),
    Sentence("6.4.2", "a Backup answers no ARP and accepts nothing", ADDRESSES),
    Sentence("6.4.2", "hears nothing by the virtual MAC", VIRTUAL_MAC),
    Sentence("6.4.2", "Shutdown", "test_3768_6_4_2_on_shutdown_the_timer_is_cancelled_and_nothing_is_sent"),
    Sentence(
        "6.4.2",
        "Master_Down_Timer fires",
        "test_3768_6_4_2_when_the_down_timer_fires_it_adverts_announces_and_is_master",
    ),
    Sentence("6.4.2", "priority 0: Skew_Time", "test_3768_6_4_2_priority_zero_sets_the_down_timer_to_the_skew"),
    Sentence("6.4.2", "not below ours: heeded", "test_3768_6_4_2_a_priority_not_below_ours_sets_the_down_timer_again"),
    Sentence(
        "6.4.2",
        "no preempting: any is heeded",
        "test_3768_6_4_2_without_preempt_any_priority_sets_the_down_timer_again",
    ),
    Sentence("6.4.2", "else discarded", "test_3768_6_4_2_with_preempt_a_lower_priority_is_discarded"),
    Sentence("6.4.3", "a Master answers ARP", ADDRESSES),
    Sentence("6.4.3", "who is no owner accepts nothing", "kept not: Packets to the addresses are accepted"),
    Sentence("6.4.3", "where it is asked for", PROGRAMS),
    Sentence("6.4.3", "Shutdown: priority 0", "test_3768_6_4_3_on_shutdown_it_sends_priority_zero"),
    Sentence("6.4.3", "Adver_Timer fires", "test_3768_6_4_3_when_the_advert_timer_fires_it_adverts_and_sets_it_again"),
    Sentence(
        "6.4.3",
        "priority 0 is answered",
        "test_3768_6_4_3_priority_zero_is_answered_at_once_and_sets_the_timer_again",
    ),
    Sentence("6.4.3", "higher: Backup", "test_3768_6_4_3_it_gives_way_to_a_higher_priority"),
    Sentence(
        "6.4.3", "equal, greater address: Backup", "test_3768_6_4_3_among_equals_it_gives_way_to_the_greater_address"
    ),
    Sentence("6.4.3", "else discarded", "kept not: A lower priority is answered in version 2 as well"),
    Sentence(
        "6.4.3",
        "so it is",
        "test_3768_6_4_3_a_lower_priority_changes_nothing_and_is_answered_although_it_need_not_be",
    ),
    Sentence("7.1", "the TTL is 255", "test_rfc_3768_section_5_2_3_and_7_1_the_ttl_must_be_255"),
    Sentence("7.1", "the version is 2", "test_rfc_3768_section_7_1_the_version_must_be_2"),
    Sentence(
        "7.1",
        "it is complete",
        "test_rfc_3768_section_7_1_the_packet_must_be_complete_with_its_authentication_data",
    ),
    Sentence("7.1", "the checksum", "test_rfc_3768_section_7_1_the_checksum_must_hold"),
    Sentence("7.1", "the VRID", "test_rfc_3768_section_7_1_the_router_id_must_be_configured_here"),
    Sentence("7.1", "an owner hears none", OWNER),
    Sentence("7.1", "so it stays", "test_3768_7_1_an_owner_never_gives_way"),
    Sentence("7.1", "authentication", "test_rfc_3768_section_7_1_the_authentication_must_be_that_configured"),
    Sentence("7.1", "the list of addresses", "test_rfc_3768_section_7_1_another_list_of_addresses_is_dropped"),
    Sentence("7.1", "but for the owner's", "test_rfc_3768_section_7_1_the_owners_list_may_differ"),
    Sentence("7.1", "the interval", "test_rfc_3768_section_7_1_the_interval_must_be_ours_in_version_2"),
    Sentence("7.1", "what fails is logged", COUNTED),
    Sentence(
        "7.2",
        "fields and checksum",
        "linux/test_crafting.py::test_version_2_has_the_password_and_no_pseudo_header",
    ),
    Sentence("7.2", "the source MAC is the virtual one", OWN_MAC),
    Sentence("7.2", "source address, protocol, group", ON_THE_WIRE),
    Sentence("7.3", "the virtual MAC", ON_THE_WIRE),
    Sentence("8.1", "redirects come from the address that was used", REDIRECTS),
    Sentence("8.2", "ARP is answered with the virtual MAC alone", OWN_MAC),
    Sentence("8.2", "a new master announces its addresses", LEARNED),
    Sentence("8.2", "once it has them", TAKEN_FIRST),
    Sentence("8.3", "proxy ARP has the virtual MAC", "not ours: it does no proxy ARP"),
    Sentence("8.4", "who is no owner forwards nothing to the addresses", NOT_ROUTED),
)
