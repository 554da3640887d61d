using Pascl.Training;
using Pascl.Training.Evaluation;
using Pascl.Training.Methods;
using Pascl.Training.Recipes;

namespace Pascl.Tests.Training.Reporting.Comparison;

/// <summary>Run folders that hold what a comparison reads: a recipe and a made-up report.</summary>
internal static class ReportedRuns
{
    public static Recipe Recipe { get; } = Presets.Find("quickstart").Recipe;

    /// <summary>Writes a run whose deployed AUROC is <paramref name="auroc"/> on the first set and 0.1 less on the second.</summary>
    public static string Write(
        TemporaryFolder parent, string name, Recipe recipe, double auroc, Func<EvaluationReport, EvaluationReport>? change = null)
    {
        var folder = RunFolder.At(Path.Combine(parent.Path, name));
        Directory.CreateDirectory(folder.Root);
        folder.WriteRecipe(RecipeFile.Write(recipe));
        var report = Evaluation.FourTestImages.Evaluate();
        var first = report.Deployed.Sets[0];
        var deployed = report.Deployed with { Sets = [WithAuroc(first, "near", auroc), WithAuroc(first, "far", auroc - 0.1)] };
        report = report with
        {
            Deployed = deployed,
            Main = report.Main with { Sets = deployed.Sets },
            Auxiliary = report.Auxiliary with { Sets = deployed.Sets },
        };
        (change?.Invoke(report) ?? report).Write(folder.Report);
        return folder.Root;
    }

    /// <summary>Runs of two methods on the seeds 0, 1 and 2.</summary>
    public static string[] WriteTwoMethods(TemporaryFolder parent, Func<EvaluationReport, EvaluationReport>? change = null)
    {
        double[] baseline = [0.70, 0.72, 0.77];
        double[] method = [0.75, 0.75, 0.81];
        return
        [
            .. baseline.Select((auroc, seed) =>
                Write(parent, $"oe-{seed}", Recipe with { Method = Method.OutlierExposure, Seed = seed }, auroc, change)),
            .. method.Select((auroc, seed) => Write(parent, $"pascl-{seed}", Recipe with { Seed = seed }, auroc, change)),
        ];
    }

    private static OodSetReport WithAuroc(OodSetReport set, string name, double auroc) =>
        set with { Name = name, Result = set.Result with { Metrics = set.Result.Metrics with { Auroc = auroc } } };
}
