using Pascl.Training.Data;

namespace Pascl.Tests.Training.Data;

public sealed class RandomResizedCropTests
{
    [Test]
    public void boxes_lie_in_the_image_and_have_the_areas_and_aspects_that_are_asked_for()
    {
        CropBox[] boxes = [.. Enumerable.Range(0, 2000).Select(image => Draw(500, 375, image))];
        Assert.That(boxes, Has.All.Matches<CropBox>(box => box.Left >= 0 && box.Top >= 0 && box.Left + box.Width <= 500 && box.Top + box.Height <= 375));

        // Sides are rounded to pixels.
        Assert.That(boxes.Select(box => box.Width * box.Height / (500.0 * 375)), Is.All.InRange(0.198, 1.0));
        Assert.That(boxes.Select(box => (double)box.Width / box.Height), Is.All.InRange(0.74, 1.345));
        Assert.That(boxes.Average(box => box.Left + (box.Width / 2.0)), Is.EqualTo(250).Within(6));
        Assert.That(boxes.Average(box => box.Top + (box.Height / 2.0)), Is.EqualTo(187.5).Within(5));

        // Large boxes fit less often, so that areas are not uniform; torchvision's mean on 500 x 375 is 0.496 (100,000 draws, deviation 0.0006).
        Assert.That(boxes.Average(box => box.Width * box.Height / (500.0 * 375)), Is.EqualTo(0.496).Within(0.015));
    }

    [Test]
    public void a_box_depends_on_seed_epoch_image_and_stream_and_on_nothing_else()
    {
        var box = RandomResizedCrop.Photographs.Draw(300, 200, 1, 2, 3, 4);
        Assert.That(RandomResizedCrop.Photographs.Draw(300, 200, 1, 2, 3, 4), Is.EqualTo(box));
        Assert.That(
            new[] { (2UL, 2, 3, 4), (1UL, 3, 3, 4), (1UL, 2, 4, 4), (1UL, 2, 3, 5) }.Select(at => RandomResizedCrop.Photographs.Draw(300, 200, at.Item1, at.Item2, at.Item3, at.Item4)),
            Has.None.EqualTo(box));
    }

    [TestCase(1000, 10, 493, 0, 13, 10)]
    [TestCase(10, 1000, 0, 493, 10, 13)]
    [TestCase(1, 1, 0, 0, 1, 1)]
    public void of_an_image_that_no_box_fits_the_largest_in_the_centre_is_taken(int width, int height, int left, int top, int columns, int rows) =>
        Assert.That(new RandomResizedCrop(1, 1, 3.0 / 4, 4.0 / 3).Draw(width, height, 1, 0, 0, 0), Is.EqualTo(new CropBox(left, top, columns, rows)));

    private static CropBox Draw(int width, int height, int image) => RandomResizedCrop.Photographs.Draw(width, height, 7, 0, image, 1);
}
