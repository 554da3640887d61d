namespace Pascl.Tests.Training.Data;

public sealed class LargeDataTests
{
    [Test]
    public void every_test_of_the_samples_also_ran_on_the_large_data()
    {
        if (ImageData.All is not [_, var large])
        {
            Assert.Ignore(
                $"{Repository.LargeData} does not exist, so the tests of images ran on the samples alone; "
                + "set PASCL_DATA to a folder with the archives that tests/Samples/README.md names.");
            return;
        }

        Assert.That(ImageData.Archives.Where(name => !File.Exists(large.Archive(name))), Is.Empty);
    }
}
