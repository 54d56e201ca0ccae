"""Benchmarks: timing, rooflines, memory, a throughput ladder, reports; plans for other cards."""

from imgrec_lab.bench.card_roofs import SPEEDS, Speed, card_roofline
from imgrec_lab.bench.cards import CARDS, Card, find_card
from imgrec_lab.bench.container_limits import Limits, limits
from imgrec_lab.bench.data_parallel import Scaled, all_reduce_seconds, link_gb_s, scaling
from imgrec_lab.bench.data_parallel_run import DataParallelRun, measure_data_parallel
from imgrec_lab.bench.hardware_facts import Facts, Gpu, machine_facts
from imgrec_lab.bench.ladder import Rung, throughput_ladder
from imgrec_lab.bench.ladder_pictures import DrawnPictures
from imgrec_lab.bench.layer_speeds import LayerSpeed, measure_layers
from imgrec_lab.bench.memory_measured import measure_memory
from imgrec_lab.bench.memory_rehearsal import MemoryUse, memory_profile
from imgrec_lab.bench.planner import Plan, plan
from imgrec_lab.bench.power import Energy, energy
from imgrec_lab.bench.ram_needs import RamNeed, ram_need
from imgrec_lab.bench.report_files import (
    compare_reports,
    machine_names,
    merge_reports,
    read_reports,
    save_reports,
)
from imgrec_lab.bench.reports import Report, machine_report
from imgrec_lab.bench.roof_measurements import roofline
from imgrec_lab.bench.rooflines import Roofline
from imgrec_lab.bench.timing import Timing, measure
from imgrec_lab.bench.training_steps import training_step
from imgrec_lab.bench.work import Operation, Work, count_work

__all__ = [
    "CARDS",
    "SPEEDS",
    "Card",
    "DataParallelRun",
    "DrawnPictures",
    "Energy",
    "Facts",
    "Gpu",
    "LayerSpeed",
    "Limits",
    "MemoryUse",
    "Operation",
    "Plan",
    "RamNeed",
    "Report",
    "Roofline",
    "Rung",
    "Scaled",
    "Speed",
    "Timing",
    "Work",
    "all_reduce_seconds",
    "card_roofline",
    "compare_reports",
    "count_work",
    "energy",
    "find_card",
    "limits",
    "link_gb_s",
    "machine_facts",
    "machine_names",
    "machine_report",
    "measure",
    "measure_data_parallel",
    "measure_layers",
    "measure_memory",
    "memory_profile",
    "merge_reports",
    "plan",
    "ram_need",
    "read_reports",
    "roofline",
    "save_reports",
    "scaling",
    "throughput_ladder",
    "training_step",
]
