namespace Pascl.Tests.Training.Ranks;

/// <summary>Several ranks of Open MPI train what one trains with the whole batch.</summary>
public sealed class RankTests
{
    [OneTimeSetUp]
    public void There_is_mpirun() => OpenMpiRun.RequireIt();

    // Batches of 22 images and 9 outliers, which neither 2 nor 4 ranks share evenly, and of which most have no image of a tail class in the share of some rank.
    [TestCase(2, "pascl")]
    public void ranks_come_to_the_losses_and_weights_of_one_rank_in_double_precision(int ranks, string method) => RequireEqual(ranks, method);

    [Long]
    [TestCase(4, "pascl")]
    [TestCase(2, RankTraining.OutlierFree)]
    [TestCase(2, "cocl")]
    [TestCase(2, "eat")]
    [TestCase(2, "rna")]
    [TestCase(2, "tscl")]
    [TestCase(2, "patt")]
    [TestCase(2, RankTraining.Averaged)]
    [TestCase(4, RankTraining.OutlierFree)]
    [TestCase(4, "oe")]
    [TestCase(4, "cocl")]
    [TestCase(4, "eat")]
    [TestCase(4, "energy-oe")]
    [TestCase(4, "ce")]
    public void they_do_for_every_method(int ranks, string method) => RequireEqual(ranks, method);

    [Test, Long]
    public void ranks_come_to_the_losses_of_one_rank_in_single_precision()
    {
        var (alone, together) = (RankTraining.Of(1, "pascl", "float32"), RankTraining.Of(2, "pascl", "float32"));
        Assert.That(Deviation(together.Losses, alone.Losses), Is.LessThan(1e-4));
    }

    // Batches of 7 images and 3 outliers. A bias is as far from 0 as it has moved: one rank's are 1e-4 (kernels) or 2e-4 (torch's float32) of that from those in double
    // precision, and a sum that is left out is in the first digit.
    [Long]
    [TestCase(2)]
    [TestCase(3)]
    public void ranks_by_kernels_come_to_the_losses_and_weights_of_one_rank_by_kernels(int ranks) =>
        RequireEqual(RankTraining.Of(ranks, "pascl", RankTraining.Kernels), "pascl", RankTraining.Kernels, ofLosses: 1e-4, ofWeights: 1e-3);

    [Long]
    [TestCase("float32")]
    [TestCase(RankTraining.Kernels)]
    public void the_same_ranks_come_to_the_same_bits(string type)
    {
        var (first, second) = (RankTraining.Of(2, "pascl", type), RankTraining.Of(2, "pascl", type));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(second.Losses, Is.EqualTo(first.Losses));
            foreach (var (name, values) in first.State)
            {
                Assert.That(second.State[name], Is.EqualTo(values), name);
            }
        }
    }

    [Test, Long]
    public void ranks_on_two_machines_do_too()
    {
        using var machines = new TwoMachines();
        RequireEqual(RankTraining.Of(machines.Starter, "pascl", "float64"), "pascl");
    }

    private static void RequireEqual(int ranks, string method) => RequireEqual(RankTraining.Of(ranks, method, "float64"), method);

    private static void RequireEqual(RankTraining.Result together, string method, string type = "float64", double ofLosses = 1e-7, double ofWeights = 1e-7)
    {
        var alone = RankTraining.Of(1, method, type);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Deviation(together.Losses, alone.Losses), Is.LessThan(ofLosses), "losses");
            foreach (var (name, values) in alone.State)
            {
                Assert.That(Deviation(together.State[name], values), Is.LessThan(ofWeights), name);
            }
        }
    }

    // The largest difference in parts of the largest value.
    private static double Deviation(double[] actual, double[] expected)
    {
        Assert.That(actual, Has.Length.EqualTo(expected.Length));
        var largest = Math.Max(1e-6, expected.Max(Math.Abs));
        return actual.Zip(expected, (left, right) => Math.Abs(left - right)).Max() / largest;
    }
}
