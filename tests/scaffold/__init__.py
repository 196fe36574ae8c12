"""The scaffold, baked: in every pair of choices, installed beside what is installed here, and put through the suite."""
