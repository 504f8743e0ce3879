"""The statistics of a comparison: pure functions from accuracies and correct images to typed results.

Accuracies are in percent, differences in points, variances in points squared. Nothing here reads a file, writes a sentence or
depends on the order of seeds, images or cells; the only random function takes its generator.

    sample           one cell's seeds in a few numbers
    estimate         the result: a difference with its t distribution
    weighted_sum     a weighted sum of cells: a mean, a contrast
    two_cells        one cell against another
    family           adjustment for several comparisons, ranking
    sameness         better, worse, the same within a margin, or undecided
    power            what would be detected, seeds needed
    published_number one more run against a number from elsewhere
    permutation      a check that assumes no distribution
    same_images      which cells may be compared

What a study's runs are made into, from below:

    config_keys factors labels cells   runs grouped into cells with names; what varies between them
    contrasts                          which sums of cells a grid can show, as weights
    rows comparisons effects analysis  each cell, each comparison, each effect, computed once
    published                          what published accuracies alone say
"""
