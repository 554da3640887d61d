using System.Text.Json;
using Pascl.Training.Golden;

namespace Pascl.Tests.Kernels;

/// <summary>A case of the contrastive loss with what the authors' code makes of it.</summary>
/// <param name="Rows">(anchors and outliers, Width), of unit length.</param>
/// <param name="Width">Columns of a row.</param>
/// <param name="Labels">The anchors' classes.</param>
/// <param name="Temperature">Divides the similarities.</param>
/// <param name="Loss">The loss.</param>
/// <param name="Gradient">With respect to the rows.</param>
internal sealed record ContrastiveGolden(double[] Rows, int Width, int[] Labels, float Temperature, double Loss, double[] Gradient)
{
    private static readonly string[] GradientParts = ["gradView1", "gradView2", "gradOod"];

    public static ContrastiveGolden Read(string name)
    {
        using var file = JsonDocument.Parse(File.ReadAllText(Path.Combine(Repository.Golden, LossGolden.FileName)));
        var item = file.RootElement.GetProperty("contrastive").EnumerateArray().Single(item => item.GetProperty("name").GetString() == name);
        int[] half = [.. item.GetProperty("labels").EnumerateArray().Select(label => label.GetInt32())];
        var (seed, width) = (item.GetProperty("seed").GetUInt32(), item.GetProperty("dim").GetInt32());
        double[] rows =
        [
            .. GoldenInputs.Features(seed, half.Length, width),
            .. GoldenInputs.Features(seed + 1, half.Length, width),
            .. GoldenInputs.Features(seed + 2, item.GetProperty("ood").GetInt32(), width),
        ];
        double[] gradient =
        [
            .. GradientParts.SelectMany(part => item.GetProperty(part).EnumerateArray().SelectMany(row => row.EnumerateArray())).Select(value => value.GetDouble()),
        ];
        return new(rows, width, [.. half, .. half], item.GetProperty("temperature").GetSingle(), item.GetProperty("loss").GetDouble(), gradient);
    }
}
