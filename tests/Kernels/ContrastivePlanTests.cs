using Pascl.Kernels;

namespace Pascl.Tests.Kernels;

public sealed class ContrastivePlanTests
{
    [Test]
    public void items_cover_the_pairs_without_gaps_and_tickets_suffice([Values(1, 3, 32, 264)] int blocks, [Values(1, 128, 129, 2000)] int width)
    {
        foreach (var outliers in (int[])[0, 1, 33, 256, 5000])
        {
            for (var tailImages = 0; tailImages < 700; tailImages += 1 + (tailImages / 20))
            {
                foreach (var share in (AnchorShare[])[AnchorShare.Whole, new(0, 2), new(2, 3), new(899, 1000)])
                {
                    Check(ContrastivePlan.Forward(tailImages, outliers, share, blocks), blocks);
                    Check(ContrastivePlan.Backward(tailImages, outliers, width, share, blocks), blocks);
                }
            }
        }
    }

    private static void Check(ContrastivePlan plan, int blocks)
    {
        var (anchorTiles, allTiles) = (ContrastivePlan.Tiles(plan.Anchors), ContrastivePlan.Tiles(plan.Rows));
        CheckSplits(plan, allTiles, plan.AnchorSplits);
        CheckSplits(plan, anchorTiles, plan.OtherSplits);
        Assert.That(plan.AnchorItems, Is.EqualTo(anchorTiles * plan.AnchorSplits * plan.Chunks));
        Assert.That(plan.OtherItems, Is.Zero.Or.EqualTo(ContrastivePlan.Tiles(plan.Rows - plan.Anchors) * plan.OtherSplits * plan.Chunks));

        // One for each tile of rows and chunk that has several parts; the buffer has two for each block.
        var tickets = (plan.AnchorParts / plan.AnchorSplits) + ((plan.Parts - plan.AnchorParts) / plan.OtherSplits);
        Assert.That(tickets, Is.LessThanOrEqualTo(2 * blocks));
    }

    // The last item has a tile, and ends with the last.
    private static void CheckSplits(ContrastivePlan plan, int tiles, int splits)
    {
        Assert.That(splits * plan.TilesPerItem, Is.GreaterThanOrEqualTo(tiles));
        Assert.That((splits - 1) * plan.TilesPerItem, Is.LessThan(Math.Max(1, tiles)));
    }
}
