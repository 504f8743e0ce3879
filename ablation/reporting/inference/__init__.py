"""The statistics of a comparison: pure functions from accuracies and correct images to typed results.

Accuracies are in percent, differences in points, variances in points squared. Nothing here reads a file, writes a sentence or
depends on the order of seeds, images or cells; the only random function takes its generator.

    sample           one cell's seeds in a few numbers
    estimate         the result: a difference with its t distribution
    contrasts        a weighted sum of cells
    two_cells        one cell against another
    family           adjustment for several comparisons, ranking
    sameness         better, worse, the same within a margin, or undecided
    power            what would be detected, seeds needed
    published_number one more run against a number from elsewhere
    permutation      a check that assumes no distribution
    same_images      which cells may be compared
    correctness      the correct test images of a run as packed bits
"""
