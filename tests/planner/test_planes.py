"""Two-dimensional minimisation on arrays: every basin, edges, infeasible corners."""

import numpy as np
import pytest

from planner import planes

BOX = (np.array([-3.0, -1.0]), np.array([3.0, 1.0]))


def least(function, points=(33, 33), x=BOX, y=BOX):
    return planes.minima(lambda a, b, index: function(a, b, index[:, None]), x, y, points=points)


def test_each_problem_has_its_own_minimum():
    centre = np.array([1.234, -0.321])
    x, y, value = least(lambda a, b, i: (a - centre[i]) ** 2 + 3 * (b + centre[i] / 2) ** 2 + i)
    assert x == pytest.approx(centre, abs=1e-6)
    assert y == pytest.approx(-centre / 2, abs=1e-6)
    assert value == pytest.approx([0, 1], abs=1e-12)


def test_the_deepest_of_several_basins_is_found():
    def bumps(a, b, i):
        return np.cos(5 * a) * np.cos(5 * b) + 0.01 * (a - 0.7 + i) ** 2 + 0.01 * b**2

    a, b = np.meshgrid(np.linspace(-3, 3, 2001), np.linspace(-3, 3, 2001))
    _, _, value = least(bumps, points=(65, 65))
    assert value[0] <= bumps(a, b, 0).min() + 1e-12


def test_a_slanting_valley_and_a_minimum_on_the_edge():
    x, y, value = least(lambda a, b, i: 1e4 * (a - b) ** 2 + (a + b - 0.5) ** 2)
    assert value == pytest.approx([0, 0], abs=1e-9)
    assert x + y == pytest.approx([0.5, 0.5], abs=1e-4)
    x, y, _ = least(lambda a, b, i: a + 2 * b)
    assert (x[0], y[0], x[1], y[1]) == (-3, -3, -1, -1)


def test_infeasible_places_are_left_alone():
    x, _, value = least(lambda a, b, i: np.where(a > 0.5 + 10 * i, a**2 + b**2, np.inf))
    assert x[0] == pytest.approx(0.5, abs=1e-6)
    assert value[0] == pytest.approx(0.25, abs=1e-5)
    assert value[1] == np.inf


def test_one_point_of_a_side_keeps_that_side_fixed():
    none = np.zeros(2)
    x, y, _ = least(lambda a, b, i: (a - 0.1) ** 2 + b, points=(33, 1), y=(none, none))
    assert x == pytest.approx([0.1, 0.1], abs=1e-7)
    assert (y == 0).all()
