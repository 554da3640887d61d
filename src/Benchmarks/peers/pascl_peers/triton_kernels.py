"""The contrastive loss as Triton kernels: our fused algorithm, and the usual one that recomputes twice.

Both select the rows that take part on the GPU, keep three numbers of each anchor, and compute the similarities again
backward. Exponents are in units of log2: t_ij = f_i f_j log2(e) / temperature.

* Fused (FIXED): rows have unit length, so t never exceeds log2(e) / temperature, and that is the shift of every row. With
  v_i = w_i / (M Z_i) the gradient is one product, sum_j (v_i + v_j) 2^(t_ij - shift) f_j, for both roles of a row.
* Two-pass: the shift is the row's running maximum; backward one pass gives the rows as anchors, another as contrasts.
"""

try:
    import triton
    import triton.language as tl
except ImportError:
    from . import triton_stand_in as triton
    from .triton_stand_in import language as tl


@triton.jit
def select_rows(labels, is_tail, order, count, images, BLOCK: tl.constexpr):
    """order[slot] = row of the batch: both views of the tail images, then those of the others. Returns the number of anchors."""
    found = 0
    for start in range(0, images, BLOCK):
        image = start + tl.arange(0, BLOCK)
        inside = image < images
        label = tl.load(labels + image, mask=inside, other=0)
        tail = (inside & (tl.load(is_tail + label, mask=inside, other=0) != 0)).to(tl.int32)
        before = found + tl.cumsum(tail, 0) - tail
        slot = tl.where(tail != 0, 2 * before, 2 * images - 2 - 2 * (image - before))
        tl.store(order + slot, image, mask=inside)
        tl.store(order + slot + 1, image + images, mask=inside)
        found += tl.sum(tail, 0)
    tl.store(count, 2 * found)
    return 2 * found


@triton.jit
def select(labels, is_tail, order, count, images, BLOCK: tl.constexpr):
    """The selection as a launch of its own: one program."""
    select_rows(labels, is_tail, order, count, images, BLOCK)


@triton.jit
def load_rows(features, number, mask, WIDTH: tl.constexpr, BF16: tl.constexpr):
    """(ROWS, WIDTH), 0 where the mask is not set."""
    rows = tl.load(features + number[:, None] * WIDTH + tl.arange(0, WIDTH)[None, :], mask=mask[:, None], other=0.0)
    if BF16:
        rows = rows.to(tl.bfloat16)
    return rows


@triton.jit
def contrast_number(order, contrast, anchors, images, mask):
    """Row of the batch of contrasts: the anchors, then the outliers."""
    slot = tl.load(order + contrast, mask=mask & (contrast < anchors), other=0)
    return tl.where(contrast < anchors, slot, contrast - anchors + 2 * images)


@triton.jit
def finish(labels, weights, order, partials, state, loss, anchors, images, splits, shift, FIXED: tl.constexpr, BLOCK: tl.constexpr):
    """Sums the parts of every anchor; state: its factor, log2 of its sum, what each positive gives; and the loss."""
    slots = 2 * images
    total = 0.0
    for start in range(0, anchors, BLOCK):
        row = start + tl.arange(0, BLOCK)
        inside = row < anchors
        exponentials = tl.zeros([BLOCK], tl.float32)
        positives = tl.zeros([BLOCK], tl.float32)
        number = tl.zeros([BLOCK], tl.float32)
        largest = tl.zeros([BLOCK], tl.float32) - 1e38
        for split in range(0, splits):
            part = partials + split * 4 * slots + row
            here = tl.load(part, mask=inside, other=0.0)
            positives += tl.load(part + slots, mask=inside, other=0.0)
            number += tl.load(part + 2 * slots, mask=inside, other=0.0)
            if FIXED:
                exponentials += here
            else:
                peak = tl.load(part + 3 * slots, mask=inside, other=-1e38)
                joint = tl.maximum(largest, peak)
                exponentials = exponentials * tl.exp2(largest - joint) + here * tl.exp2(peak - joint)
                largest = joint
        label = tl.load(labels + tl.load(order + row, mask=inside, other=0) % images, mask=inside, other=0)
        has_positives = inside & (number > 0)
        share = tl.where(has_positives, tl.load(weights + label, mask=inside, other=0.0) / anchors, 0.0)
        exponentials = tl.where(has_positives, exponentials, 1.0)
        number = tl.maximum(number, 1.0)
        if FIXED:
            log_sum = tl.log2(exponentials) + shift
            factor = share / exponentials
        else:
            log_sum = tl.log2(exponentials) + largest
            factor = share
        total += tl.sum(share * (log_sum - positives / number) * 0.6931471805599453, 0)
        tl.store(state + row, factor, mask=inside)
        tl.store(state + slots + row, log_sum, mask=inside)
        tl.store(state + 2 * slots + row, share / number, mask=inside)
    tl.store(loss, total)


@triton.jit
def statistics(
    features, labels, is_tail, weights, order, count, partials, state, ticket, loss, images, outliers, scale,
    SELECTS: tl.constexpr, FIXED: tl.constexpr, WIDTH: tl.constexpr, BF16: tl.constexpr, PRECISION: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, BLOCK: tl.constexpr,
):
    """Forward: program (block of anchors, part of the contrasts); the last one to finish sums the parts."""
    split = tl.program_id(1)
    splits = tl.num_programs(1)
    if SELECTS:
        anchors = select_rows(labels, is_tail, order, count, images, BLOCK)  # every program writes the same numbers
        tl.debug_barrier()
    else:
        anchors = tl.load(count)
    slots = 2 * images
    start = tl.program_id(0) * ROWS
    if start < anchors:
        row = start + tl.arange(0, ROWS)
        is_row = row < anchors
        number = tl.load(order + row, mask=is_row, other=0)
        anchor = load_rows(features, number, is_row, WIDTH, BF16)
        row_label = tl.load(labels + number % images, mask=is_row, other=-1)
        exponentials = tl.zeros([ROWS], tl.float32)
        positives = tl.zeros([ROWS], tl.float32)
        positive_count = tl.zeros([ROWS], tl.float32)
        largest = tl.zeros([ROWS], tl.float32) - 1e38
        tiles = tl.cdiv(anchors + outliers, COLUMNS)
        for tile in range(split * tiles // splits, (split + 1) * tiles // splits):
            column = tile * COLUMNS + tl.arange(0, COLUMNS)
            is_column = column < anchors + outliers
            column_number = contrast_number(order, column, anchors, images, is_column)
            contrast = load_rows(features, column_number, is_column, WIDTH, BF16)
            column_label = tl.load(labels + column_number % images, mask=column < anchors, other=-2)
            exponent = tl.dot(anchor, tl.trans(contrast), input_precision=PRECISION) * scale
            is_contrast = is_column[None, :] & (row[:, None] != column[None, :])
            is_positive = is_contrast & (row_label[:, None] == column_label[None, :])
            positives += tl.sum(tl.where(is_positive, exponent, 0.0), 1)
            positive_count += tl.sum(tl.where(is_positive, 1.0, 0.0), 1)
            if FIXED:
                exponentials += tl.sum(tl.where(is_contrast, tl.exp2(exponent - scale), 0.0), 1)
            else:
                peak = tl.maximum(largest, tl.max(tl.where(is_contrast, exponent, -1e38), 1))
                exponentials = exponentials * tl.exp2(largest - peak)
                exponentials += tl.sum(tl.where(is_contrast, tl.exp2(exponent - peak[:, None]), 0.0), 1)
                largest = peak
        part = partials + split * 4 * slots + row
        tl.store(part, exponentials, mask=is_row)
        tl.store(part + slots, positives, mask=is_row)
        tl.store(part + 2 * slots, positive_count, mask=is_row)
        tl.store(part + 3 * slots, largest, mask=is_row)
    tl.debug_barrier()
    if tl.atomic_add(ticket, 1) == tl.num_programs(0) * splits - 1:
        finish(labels, weights, order, partials, state, loss, anchors, images, splits, scale, FIXED, BLOCK)
        tl.store(ticket, 0)


@triton.jit
def gradient(
    features, labels, order, count, state, upstream, result, images, outliers, scale, inverse_temperature,
    AS_ANCHOR: tl.constexpr, AS_CONTRAST: tl.constexpr, FIXED: tl.constexpr, WIDTH: tl.constexpr, BF16: tl.constexpr,
    PRECISION: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):
    """Backward: a program has a block of the images' rows, or of the outliers', and all that they are compared with.

    AS_ANCHOR alone writes what anchors receive as anchors, for a grid of the images; AS_CONTRAST alone adds to it.
    """
    anchors = tl.load(count)
    slots = 2 * images
    block = tl.program_id(0)
    image_blocks = tl.cdiv(slots, ROWS)
    of_images = block < image_blocks
    offset = tl.where(of_images, block, block - image_blocks) * ROWS + tl.arange(0, ROWS)
    is_row = offset < tl.where(of_images, slots, outliers)
    number = tl.where(of_images, tl.load(order + offset, mask=is_row & of_images, other=0), slots + offset)
    row = tl.where(of_images, offset, anchors + offset)
    is_anchor = is_row & (row < anchors)
    takes_part = is_anchor | (is_row & (row >= anchors) & (block >= image_blocks))
    compared = anchors
    if AS_ANCHOR:
        compared = tl.where(of_images, anchors + outliers, anchors)
    if of_images & (block * ROWS >= anchors):
        compared = anchors * 0  # a block of images that take no part
    rows = load_rows(features, number, takes_part, WIDTH, BF16)
    row_label = tl.load(labels + number % images, mask=is_anchor, other=-1)
    row_factor = tl.load(state + row, mask=is_anchor, other=0.0)
    row_log_sum = tl.load(state + slots + row, mask=is_anchor, other=1e38)
    row_pull = tl.load(state + 2 * slots + row, mask=is_anchor, other=0.0)
    total = tl.zeros([ROWS, WIDTH], tl.float32)
    for start in range(0, compared, COLUMNS):
        column = start + tl.arange(0, COLUMNS)
        is_column = column < compared
        column_is_anchor = column < anchors
        column_number = contrast_number(order, column, anchors, images, is_column)
        others = load_rows(features, column_number, is_column, WIDTH, BF16)
        column_label = tl.load(labels + column_number % images, mask=column_is_anchor, other=-2)
        column_factor = tl.load(state + column, mask=column_is_anchor, other=0.0)
        column_pull = tl.load(state + 2 * slots + column, mask=column_is_anchor, other=0.0)
        exponent = tl.dot(rows, tl.trans(others), input_precision=PRECISION) * scale
        is_pair = is_column[None, :] & (row[:, None] != column[None, :])
        is_positive = is_pair & (row_label[:, None] == column_label[None, :])
        slope = tl.zeros([ROWS, COLUMNS], tl.float32)
        pull = tl.zeros([ROWS, COLUMNS], tl.float32)
        if FIXED:
            slope += (row_factor[:, None] + column_factor[None, :]) * tl.exp2(exponent - scale)
            pull += row_pull[:, None] + column_pull[None, :]
        else:
            if AS_ANCHOR:
                slope += row_factor[:, None] * tl.exp2(exponent - row_log_sum[:, None])
                pull += row_pull[:, None]
            if AS_CONTRAST:
                column_log_sum = tl.load(state + slots + column, mask=column_is_anchor, other=1e38)
                slope += column_factor[None, :] * tl.exp2(exponent - column_log_sum[None, :])
                pull += column_pull[None, :]
        slope = tl.where(is_pair, slope, 0.0) - tl.where(is_positive, pull, 0.0)
        if BF16:
            slope = slope.to(tl.bfloat16)
        total += tl.dot(slope, others, input_precision=PRECISION)
    total = tl.where(takes_part[:, None], total * (tl.load(upstream) * inverse_temperature), 0.0)
    place = result + number[:, None] * WIDTH + tl.arange(0, WIDTH)[None, :]
    if not AS_ANCHOR:
        total += tl.load(place, mask=(is_row & of_images)[:, None], other=0.0)
    tl.store(place, total, mask=is_row[:, None])
