"""What a job puts out has the same bits on all layouts of ranks over hosts (layouts.py)."""
import os
import unittest

import hosts
import layouts
import served

ALL = "LOCKSTEP_ALL_LAYOUTS" in os.environ
FORMATS = [(model, dtype) for model in layouts.MODELS for dtype in layouts.DTYPES]
FEW_FORMATS = (("neox", "int4"), ("gptj", "bf16"))


class Layouts(unittest.TestCase):
    def test_have_one_hash_for_each_model_and_format(self):
        with hosts.Hosts(4) as world:
            for column in FORMATS if ALL else FEW_FORMATS:
                expected = layouts.made(world, layouts.LAYOUTS[0], *column)
                for layout in (layouts.LAYOUTS if ALL else layouts.FEW)[1:]:
                    with self.subTest(layout.name, column=column):
                        self.assertEqual(layouts.made(world, layout, *column), expected)

    @unittest.skipUnless(ALL, "so many ranks take all of a machine: hosts/all_layouts")
    def test_have_it_with_many_ranks(self):
        with hosts.Hosts(4) as world:
            expected = layouts.made(world, layouts.LAYOUTS[0], "neox", "int8")
            for layout in layouts.MANY:
                self.assertEqual(layouts.made(world, layout, "neox", "int8"), expected, layout.name)


if __name__ == "__main__":
    why_not = hosts.obstacle("mpirun")
    if why_not:
        served.skip(why_not)
    unittest.main(verbosity=2)
