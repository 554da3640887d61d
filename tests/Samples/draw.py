#!/usr/bin/env python3
"""Draws every file of this folder anew: python3 tests/Samples/draw.py (Debian: apt-get install python3-pil python3-numpy).

The layout is that of the large data, so one test serves both. All pictures are computed here from a seed; none shows anything real.
"""
import gzip
import io
import pathlib
import struct
import tarfile
import zlib

import numpy
from PIL import Image, ImageOps

FOLDER = pathlib.Path(__file__).parent
TEN = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck']
TEN_PROFILE = [int(100 * 0.01 ** (label / 9) + 1e-9) for label in range(10)]
TEST_PER_CLASS = 10
SETS = {'cifar100': 12, 'lsun_substitute': 10, 'places365': 10, 'svhn': 14, 'texture': 12, 'tin': 24}


def hue(angle):
    return 127.5 + 100 * numpy.cos(2 * numpy.pi * (angle - numpy.array([0, 1 / 3, 2 / 3])))


def draw(seed, kind, angle, width=32, height=None):
    """A shape of a kind in a hue, somewhere on a gradient of greys."""
    random = numpy.random.RandomState(seed)
    height = height or width
    y, x = numpy.mgrid[0:height, 0:width].astype(float)
    x, y = 2 * x / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1
    tilt, (left, top), size = random.uniform(-0.3, 0.3), random.uniform(-0.35, 0.35, 2), random.uniform(0.4, 0.6)
    u = (x - left) * numpy.cos(tilt) - (y - top) * numpy.sin(tilt)
    v = (x - left) * numpy.sin(tilt) + (y - top) * numpy.cos(tilt)
    distance = numpy.hypot(u, v)
    square = numpy.maximum(abs(u), abs(v)) < size
    inside = [
        distance < size,
        square,
        (distance < size) & (distance > size / 2),
        ((abs(u) < size / 3) | (abs(v) < size / 3)) & square,
        (v < size) & (v > 2 * abs(u) - size),
        square & (numpy.sin(9 * u) > 0),
        square & (numpy.sin(9 * v) > 0),
        square & (numpy.sin(9 * u) * numpy.sin(9 * v) > 0),
        numpy.hypot(abs(u) - size / 2, v) < size / 2,
        abs(u) + abs(v) < size,
        numpy.sin(6 * distance + 4 * tilt) > 0.3,
        numpy.sin(5 * u + 3 * numpy.sin(4 * v)) > 0,
    ][kind]
    grey = random.uniform(60, 190) + 30 * (x * random.uniform(-1, 1) + y * random.uniform(-1, 1))
    colour = hue(angle + random.uniform(-0.04, 0.04))
    picture = numpy.where(inside[..., None], colour, grey[..., None]) + random.normal(0, 2, (height, width, 3))
    return numpy.clip(numpy.rint(picture), 0, 255).astype(numpy.uint8)


def of_class(label, seed):
    return draw(1000 * label + seed, label, label / 10)


def foreign(seed, kind):
    """A picture in any hue of a shape that none of the ten classes has: rings or waves over all of it."""
    return draw(100_000 + seed, 10 + kind % 2, seed * 0.618 % 1)


def encoded(pixels, form='JPEG', mode=None, **options):
    content = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(content, form, **options)
    return content.getvalue()


def pack(name, files):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode='w', format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(files):
            entry = tarfile.TarInfo(path)
            entry.size = len(files[path])
            archive.addfile(entry, io.BytesIO(files[path]))
    (FOLDER / name).write_bytes(gzip.compress(packed.getvalue(), 9, mtime=0))


def ten_classes():
    files = {}
    for label, name in enumerate(TEN):
        for i in range(TEN_PROFILE[label]):
            files[f'train/{name}/{i:04}.jpg'] = encoded(of_class(label, 500 + i), quality=90, subsampling='4:4:4')
        for i in range(TEST_PER_CLASS):
            files[f'test/{name}/{i:04}.jpg'] = encoded(of_class(label, i), quality=90, subsampling='4:4:4')
    pack('cifar10-lt-jpeg.tar.gz', files)


def listed_classes():
    """The list of classes gives an order that the names do not; one picture occurs twice."""
    names = ['n07', 'n03', 'n09', 'n00', 'n05', 'n01', 'n08', 'n02', 'n06', 'n04']
    profile = [int(20 * 0.2 ** (label / 9) + 1e-9) for label in range(10)]
    files = {'classes.txt': ''.join(f'{i} {name} {profile[i]} drawn class {i}\n' for i, name in enumerate(names)).encode()}
    for label, name in enumerate(names):
        for i in range(profile[label]):
            files[f'train/{name}/{name}_{i}.JPEG'] = encoded(draw(50_000 + 100 * label + i, label, label / 10 + 0.05))
        for i in range(2):
            files[f'test/{name}/val_{2 * label + i}.JPEG'] = encoded(draw(60_000 + 2 * label + i, label, label / 10 + 0.05))
    files['train/n03/n03_2.JPEG'] = files['train/n09/n09_1.JPEG']
    pack('tin100-lt-jpeg.tar.gz', files)


def scenes():
    names, counts, files, lists = ['beach', 'alley', 'cave'], [4, 2, 1], {}, {'train': [], 'val': []}
    for label, name in enumerate(names):
        for i in range(counts[label]):
            path = f'train/{name}/{i}.jpg'
            files[path] = encoded(draw(70_000 + 10 * label + i, label, label / 3, 128))
            lists['train'].append(f'{path} {label}\n')
        for i in range(2):
            path = f'val/{2 * label + i:08}.jpg'
            files[path] = encoded(draw(70_005 + 10 * label + i, label, label / 3, 128))
            lists['val'].append(f'{path} {label}\n')
    files['classes.txt'] = ''.join(f'{i} {name} {counts[i]}\n' for i, name in enumerate(names)).encode()
    for part, lines in lists.items():
        files[f'Scenes_LT_{part}.txt'] = ''.join(lines).encode()
    pack('scenes128-lt-jpeg.tar.gz', files)


def outliers():
    files = {f'oe/m{i % 8}/m{i % 8}_{i // 8}.JPEG': encoded(foreign(i, i)) for i in range(320)}
    files['classes.txt'] = ''.join(f'm{i} 40 drawn outliers {i}\n' for i in range(8)).encode()
    pack('oe-train-jpeg.tar.gz', files)


def test_sets():
    files = {}
    for number, (name, count) in enumerate(SETS.items()):
        lines = []
        for i in range(count):
            # The last four images of one set show a class.
            label = i % 10 if name == 'tin' and i >= count - 4 else -1
            path = f'{name}/{name}_{i:04}.jpg'
            picture = foreign(1000 * (number + 1) + i, number) if label < 0 else of_class(label, 900)
            files[f'data/images/{path}'] = encoded(picture)
            lines.append(f'{path} {{"label": -1, "sc_label": {label}, "full_label": {10 + number}}}\n')
        files[f'data/imglist/benchmark_cifar10/test_{name}.txt'] = ''.join(lines).encode()
    pack('scood-ood-test.tar.gz', files)


def record(labels, pixels):
    return bytes(labels) + pixels.transpose(2, 0, 1).tobytes()


def array(pixels, order='C'):
    content = io.BytesIO()
    numpy.save(content, numpy.asarray(pixels, order=order))
    return content.getvalue()


def formats():
    files = {}
    # Twenty records, two of each class.
    for batch, labels in enumerate(numpy.random.RandomState(0).permutation(numpy.arange(20) % 10).reshape(5, 4)):
        files[f'cifar-10-batches-bin/data_batch_{batch + 1}.bin'] = b''.join(
            record([label], of_class(label, 500 + 10 * batch + i)) for i, label in enumerate(labels))
    # The first images of each class in the test part of the ten classes, without loss.
    ranks = [0] * 10
    records = []
    for label in numpy.random.RandomState(9).permutation(numpy.arange(20) % 10):
        records.append(record([label], of_class(label, ranks[label])))
        ranks[label] += 1
    files['cifar-10-batches-bin/test_batch.bin'] = b''.join(records)

    # Every class of CIFAR-100 but class 16, "can", has one training image; the first test image is of class 49, "mountain".
    hundred = [label for label in range(100) if label != 16]
    files['cifar-100-binary/train.bin'] = b''.join(
        record([label // 5, label], numpy.broadcast_to(numpy.uint8([label, 2 * label, 255 - label]), (32, 32, 3))) for label in hundred)
    files['cifar-100-binary/test.bin'] = b''.join(
        record([label // 5, label], draw(80_000 + label, label % 12, label / 100)) for label in [49, 3, 16, 99, 0, 71, 49, 8])

    stack = numpy.stack([foreign(90_000 + i, i) for i in range(12)])
    files['tinyimages80m/300K_random_images.npy'] = array(stack)
    files['damaged-formats/cut.npy'] = array(stack[:4])[:9000]
    files['damaged-formats/float64.npy'] = array(stack[:1].astype(float))
    files['damaged-formats/fortran_order.npy'] = array(stack[:4], 'F')
    three = b''.join(record([i], of_class(i, 0)) for i in range(3))
    files['damaged-formats/cifar10_cut_record.bin'] = three[:-500]
    files['damaged-formats/cifar10_label_out_of_range.bin'] = three[:2 * 3073] + bytes([77]) + three[2 * 3073 + 1:]

    for i, (width, height) in enumerate([(150, 200), (260, 170), (160, 160)]):
        files[f'imagenet-like/train/w{i}/w{i}_drawn.JPEG'] = encoded(draw(95_000 + i, 3 * i, i / 3, width, height))
    odd = odd_inputs()
    files.update({f'odd-inputs/{name}': content for name, content in odd.items()})
    pictures = [path for path in files if path.startswith(('imagenet-like/', 'odd-inputs/'))]
    heading = 'file\tformat\tmode\twidth\theight\tdecodes\tmean_RGB_after_conversion'
    files['expected.tsv'] = '\n'.join([heading, *(expected(path, files[path]) for path in pictures), '']).encode()
    pack('format-samples.tar.gz', files)


def odd_inputs():
    picture = draw(96_000, 7, 0.03, 60, 57)
    see_through = numpy.dstack([picture, numpy.linspace(0, 255, 3420).reshape(57, 60).astype(numpy.uint8)])
    grey = numpy.asarray(Image.fromarray(picture).convert('L'))
    rotated = Image.Exif()
    rotated[0x112] = 6
    whole = encoded(draw(96_001, 5, 0.6, 160, 120), quality=90)
    broken = bytearray(whole)
    middle = len(whole) // 2
    broken[middle:middle + 200] = bytes((37 * i) % 251 for i in range(200))
    return {
        'alpha.png': encoded(see_through, 'PNG'),
        'alpha.webp': encoded(see_through, 'WEBP', lossless=True, exact=True),
        'chroma422.JPEG': encoded(picture, subsampling='4:2:2'),
        'chroma444.JPEG': encoded(picture, subsampling='4:4:4'),
        'cmyk.JPEG': encoded(picture, mode='CMYK'),
        'corrupt_middle.JPEG': bytes(broken),
        'empty.JPEG': b'',
        'exif_orientation_6.JPEG': encoded(draw(96_002, 4, 0.3, 98, 74), exif=rotated.tobytes()),
        'gray.JPEG': encoded(grey),
        'gray.bmp': encoded(grey, 'BMP'),
        'gray.png': encoded(grey, 'PNG'),
        'gray16.png': encoded(grey.astype(numpy.uint16) * 257, 'PNG'),
        'html_error_page.jpg': b'<!DOCTYPE html><html><body>404 Not Found</body></html>\n',
        'lossless.webp': encoded(picture, 'WEBP', lossless=True),
        'lossy.webp': encoded(picture, 'WEBP', quality=80),
        'not_an_image.JPEG': b'this is not an image\n',
        'one_pixel.JPEG': encoded(numpy.uint8([[[200, 30, 40]]])),
        'optimised_huffman.JPEG': encoded(picture, optimize=True),
        'palette.bmp': encoded(picture, 'BMP', mode='P'),
        'palette.png': encoded(picture, 'PNG', mode='P'),
        'png_named_as.JPEG': encoded(picture, 'PNG'),
        'progressive.JPEG': encoded(picture, progressive=True),
        'rgb.bmp': encoded(picture, 'BMP'),
        'rgb.png': encoded(picture, 'PNG'),
        'tiny_75x56.JPEG': encoded(draw(96_003, 8, 0.8, 75, 56)),
        'truncated_60_percent.JPEG': whole[:len(whole) * 6 // 10],
        'truncated_in_header.JPEG': whole[:120],
        'two_columns_600_rows.JPEG': encoded(draw(96_004, 6, 0.5, 2, 600)),
    }


def expected(path, content):
    """What Pillow makes of a file."""
    try:
        image = Image.open(io.BytesIO(content))
        image.load()
    except (OSError, SyntaxError):
        return f'{path}\t-\t-\t0\t0\tno\t-'
    mean = ' '.join(f'{value:.2f}' for value in numpy.asarray(image.convert('RGB')).reshape(-1, 3).mean(0))
    return f'{path}\t{image.format}\t{image.mode}\t{image.width}\t{image.height}\tyes\t{mean}'


def photographs():
    """Files in every orientation and colour mode, and resized parts of one picture, each beside what Pillow makes of it (NAME.png beside NAME)."""
    picture = draw(97_000, 5, 0.2, 29, 21)
    files = {}

    def add(name, content):
        files[name] = content
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
        # Pillow clips 16 bits of grey; the upper eight are what it takes of 16 bits of colour.
        upper = Image.fromarray((numpy.asarray(image) >> 8).astype(numpy.uint8)) if image.mode == 'I' else image
        files[f'{name}.png'] = encoded(numpy.asarray(upper.convert('RGB')), 'PNG')

    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x112] = orientation
        add(f'turned/{orientation}.jpg', encoded(picture, quality=95, subsampling='4:4:4', exif=exif.tobytes()))
        # Divisible by eight, so that it can be decoded at an eighth; and not.
        for width, height in [(128, 64), (131, 67)]:
            add(f'turned/{width}x{height}_{orientation}.jpg', encoded(draw(97_001, 2, 0.6, width, height), quality=95, subsampling='4:4:4', exif=exif.tobytes()))
        add(f'turned/{orientation}.webp', encoded(picture, 'WEBP', lossless=True, exif=exif.tobytes()))
        add(f'turned/{orientation}.png', encoded(picture, 'PNG', exif=exif.tobytes()))

    cmyk = numpy.asarray(Image.fromarray(picture).convert('CMYK')).copy()
    cmyk[..., 3] = numpy.linspace(0, 120, cmyk[..., 3].size).reshape(cmyk.shape[:2])
    add('modes/cmyk.jpg', of_inks(cmyk, transform=0))
    colours = numpy.asarray(Image.fromarray(255 - cmyk[..., :3]).convert('YCbCr'))
    add('modes/ycck.jpg', of_inks(255 - numpy.dstack([colours, 255 - cmyk[..., 3]]), transform=2))
    deep = picture.astype(numpy.uint16) * 256 + 99
    add('modes/grey16.png', encoded(deep[..., 1], 'PNG'))
    files['modes/rgb16.png'] = deep_png(deep)
    files['modes/rgb16.png.png'] = encoded(picture, 'PNG')
    add('modes/grey.png', encoded(picture[..., 0], 'PNG'))
    add('modes/one_bit.png', encoded(picture, 'PNG', mode='1'))
    add('modes/palette.png', encoded(picture, 'PNG', mode='P'))
    add('modes/palette_see_through.png', encoded(picture, 'PNG', mode='P', transparency=3))
    add('modes/grey_alpha.png', encoded(picture, 'PNG', mode='LA'))
    add('modes/rgba.png', encoded(numpy.dstack([picture, picture[..., 0]]), 'PNG'))
    add('modes/one_pixel.png', encoded(picture[:1, :1], 'PNG'))
    add('modes/one_pixel.jpg', encoded(picture[:1, :1]))
    add('modes/one_row.png', encoded(picture[:1], 'PNG'))
    files['modes/forty_megapixels.jpg'] = encoded(numpy.broadcast_to(numpy.uint8([200, 90, 30]), (5000, 8000, 3)), quality=75)

    source = Image.fromarray(draw(97_002, 9, 0.7, 97, 61))
    files['resized/source.png'] = encoded(numpy.asarray(source), 'PNG')
    for name, method in [('bilinear', Image.BILINEAR), ('bicubic', Image.BICUBIC)]:
        for side in [8, 16, 28, 61, 80]:
            # torchvision's Resize(side * 8 / 7) and CenterCrop(side).
            shorter = round(side * 8 / 7)
            resized = source.resize((int(shorter * 97 / 61), shorter), method)
            left, top = (round((length - side) / 2) for length in resized.size)
            files[f'resized/{name}_{side}.png'] = encoded(numpy.asarray(resized.crop((left, top, left + side, top + side))), 'PNG')
    for left, top, width, height in [(0, 0, 97, 61), (13, 7, 40, 52), (90, 55, 7, 6), (50, 0, 1, 61), (20, 30, 33, 24)]:
        for side in [7, 24]:
            part = source.crop((left, top, left + width, top + height)).resize((side, side), Image.BILINEAR)
            files[f'resized/crop_{left}_{top}_{width}_{height}_{side}.png'] = encoded(numpy.asarray(part), 'PNG')
    pack('photographs.tar.gz', files)


def of_inks(inks, transform):
    """A JPEG of four inks whose Adobe marker says whether they are stored as they are (0) or as luminance and chroma (2)."""
    content = io.BytesIO()
    Image.fromarray(inks, 'CMYK').save(content, 'JPEG', quality=95, subsampling=0)
    content = bytearray(content.getvalue())
    place = content.index(b'Adobe')
    content[place + 11] = transform
    return bytes(content)


def deep_png(pixels):
    """A PNG of three times sixteen bits, which Pillow does not write."""
    height, width, _ = pixels.shape
    rows = b''.join(b'\0' + row.astype('>u2').tobytes() for row in pixels)
    chunks = [(b'IHDR', struct.pack('>IIBBBBB', width, height, 16, 2, 0, 0, 0)), (b'IDAT', zlib.compress(rows)), (b'IEND', b'')]
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body)) for kind, body in chunks)


for part in (ten_classes, listed_classes, scenes, outliers, test_sets, formats, photographs):
    part()
