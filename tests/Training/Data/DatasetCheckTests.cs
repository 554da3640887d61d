using Pascl.Tests.Training.Data.Formats;
using Pascl.Training.Cli;
using Pascl.Training.Data;

namespace Pascl.Tests.Training.Data;

public sealed class DatasetCheckTests
{
    [Test]
    public void a_picture_that_occurs_twice_is_found_across_classes([ValueSource(typeof(ImageData), nameof(ImageData.All))] ImageData images)
    {
        var check = DatasetCheck.Run(images.Archive("tin100-lt-jpeg"));
        var (first, second) = images.SamePicture;
        Assert.That(check.Problems, Has.One.Contains($"{second} shows the same picture as").And.One.Contains(first));
        Assert.That(check.UsableAs, Does.StartWith("in-distribution"));
    }

    [Test]
    public void every_broken_image_is_listed([ValueSource(typeof(ImageData), nameof(ImageData.All))] ImageData images)
    {
        var check = DatasetCheck.Run(images.Format("odd-inputs"));
        string[] broken = ["empty.JPEG", "html_error_page.jpg", "not_an_image.JPEG", "truncated_60_percent.JPEG", "truncated_in_header.JPEG"];
        foreach (var file in broken)
        {
            Assert.That(check.Problems, Has.One.Contains(file), file);
        }

        Assert.That(check.Parts.Single().Images.Count, Is.EqualTo(images.Pictures.OddDecodable));
        Assert.That(check.UsableAs, Does.StartWith("outliers"));
    }

    [Test]
    public void a_class_without_images_is_a_problem([ValueSource(typeof(ImageData), nameof(ImageData.All))] ImageData images)
    {
        var check = DatasetCheck.Run(images.Format("cifar-100-binary"));
        Assert.That(check.Problems, Has.One.EqualTo("Class can has no images in the part train."));
    }

    [Test]
    public void the_exit_code_says_whether_the_data_is_fit()
    {
        using var folder = new TemporaryFolder();
        folder.Write("good/1.png", TestImages.Plain(8, 8, 255));
        folder.Write("flawed/1.png", TestImages.Plain(8, 8, 255));
        folder.Write("flawed/2.png", "<html>");
        folder.Write("useless/2.png", "<html>");
        Assert.Multiple(() =>
        {
            Assert.That(Run("good"), Is.EqualTo(ExitCode.Done));
            Assert.That(Run("flawed"), Is.EqualTo(ExitCode.CheckFailed));
            Assert.That(Run("useless"), Is.EqualTo(ExitCode.BadInput));
            Assert.That(Run("missing"), Is.EqualTo(ExitCode.BadInput));
        });

        int Run(string name) => PasclCommand.Run(["data", "check", Path.Combine(folder.Path, name)]);
    }
}
