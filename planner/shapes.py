"""Plans of sizes that can be trained: the nearest member of the law's family of shapes, for student and teacher."""

from collections.abc import Callable
from dataclasses import replace

from fitting.errors import InputError
from fitting.flops import Shape, parameters
from fitting.known import KnownLaw
from planner.plans import Plan, Shaped, Shapes
from planner.terms import Terms

Planner = Callable[[float, Terms], Plan]
"""Plans for a student's size under terms."""


def nearest(law: KnownLaw, N: float) -> Shaped:
    """The trainable shape nearest to N parameters of the law's family, with 16 heads as the paper's models have.

    Raises `InputError` where the law does not say which family it counts, and as `Shape.of_size`.
    """
    convention = law.convention
    if convention.rho is None or convention.n_vocab is None or convention.n_ctx is None:
        raise InputError(f"--round-shapes: law {law.id!r} does not say which family of shapes its sizes belong to")
    if convention.rho != int(convention.rho):
        raise InputError(f"--round-shapes: law {law.id!r} has {convention.rho:g} of width a layer, no whole number")
    shape = Shape.of_size(N, aspect=int(convention.rho), n_vocab=convention.n_vocab, n_ctx=convention.n_ctx)
    counted = parameters(shape)
    size = counted.total if convention.parameters == "total" else counted.non_embedding
    return Shaped(float(size), shape.n_layers, shape.d_model, shape.d_ffn, shape.n_heads)


def rounded(law: KnownLaw, student: float, terms: Terms, made: Planner) -> Plan:
    """The plan that `made` makes for the nearest shapes: the student's first, then the best teacher's, and again.

    A teacher that was named, or is one of a grid, has the size it has.
    """
    learner = nearest(law, student)
    found = made(learner.N, terms)
    if found.teacher.given or terms.teacher_grid:
        return replace(found, shapes=Shapes(learner, None))
    assert found.teacher.N is not None
    teacher = nearest(law, found.teacher.N)
    again = made(learner.N, replace(terms, teacher_grid=(teacher.N,)))
    # the grid of one was a means, not what was asked
    return replace(again, terms=terms, shapes=Shapes(learner, teacher))
