using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Methods;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting.Comparison;

namespace Pascl.Tests.Training.Reporting.Comparison;

public sealed class RunComparisonTests
{
    private static readonly Quantity AverageAuroc = new(Reading.Deployed, null, ComparedMetric.Auroc);
    private static readonly int[] ThreeSeeds = [0, 1, 2];

    private TemporaryFolder parent = null!;

    [SetUp]
    public void CreateFolder() => parent = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => parent.Dispose();

    [Test]
    public void runs_that_differ_only_by_seed_are_one_method_with_mean_and_standard_deviation()
    {
        var comparison = Compare(ReportedRuns.WriteTwoMethods(parent));
        var baseline = comparison.Of(comparison.Methods[0], AverageAuroc);
        Assert.Multiple(() =>
        {
            Assert.That(comparison.Methods.Select(method => method.Name), Is.EqualTo((string[])["oe", "pascl"]));
            Assert.That(comparison.Methods[0].Seeds, Is.EqualTo(ThreeSeeds));
            // 0.65, 0.67 and 0.72 on average over both sets: mean 0.68, squares 9, 1 and 16 ten-thousandths, by 2.
            Assert.That(baseline.Mean, Is.EqualTo(0.68).Within(1e-12));
            Assert.That(baseline.StandardDeviation, Is.EqualTo(Math.Sqrt(26e-4 / 2)).Within(1e-12));
            Assert.That(comparison.Of(comparison.Methods[1], AverageAuroc with { Set = "near" }).Mean, Is.EqualTo(0.77).Within(1e-12));
        });
    }

    [Test]
    public void methods_with_the_same_seeds_are_compared_seed_by_seed()
    {
        var pair = Compare(ReportedRuns.WriteTwoMethods(parent)).Differences.Single();
        var difference = pair.Differences[AverageAuroc];
        Assert.Multiple(() =>
        {
            Assert.That((pair.Method, pair.Baseline), Is.EqualTo(("pascl", "oe")));
            Assert.That(pair.Seeds, Is.EqualTo(ThreeSeeds));
            Assert.That(difference.Values, Is.EqualTo((double[])[0.05, 0.03, 0.04]).Within(1e-12));
            Assert.That(difference.Mean, Is.EqualTo(0.04).Within(1e-12));
            Assert.That(difference.StandardDeviation, Is.EqualTo(0.01).Within(1e-12));
            // Student's t for 2 degrees of freedom at 0.975, from a printed table.
            Assert.That(difference.ConfidenceReach, Is.EqualTo(4.302653 * 0.01 / Math.Sqrt(3)).Within(1e-8));
        });
    }

    [Test]
    public void only_seeds_that_both_methods_have_are_paired()
    {
        string[] runs = [.. ReportedRuns.WriteTwoMethods(parent).Skip(2).SkipLast(1)];
        var comparison = Compare(runs);
        Assert.Multiple(() =>
        {
            Assert.That(comparison.Differences, Is.Empty);
            Assert.That(comparison.Notes, Has.One.EqualTo("pascl and oe have no seed in common, so their difference is not taken seed by seed."));
        });
    }

    [Test]
    public void one_run_of_each_method_has_no_spread()
    {
        var folders = ReportedRuns.WriteTwoMethods(parent);
        var difference = Compare(folders[0], folders[3]).Differences.Single().Differences[AverageAuroc];
        Assert.Multiple(() =>
        {
            Assert.That(difference.Mean, Is.EqualTo(0.05).Within(1e-12));
            Assert.That(difference.StandardDeviation, Is.NaN);
            Assert.That(difference.ConfidenceReach, Is.NaN);
        });
    }

    [Test]
    public void recipes_of_one_method_are_named_by_what_differs_but_not_by_where_they_ran()
    {
        var warm = ReportedRuns.Recipe with { Loss = ReportedRuns.Recipe.Loss with { Temperature = 0.25 } };
        var comparison = Compare(
            ReportedRuns.Write(parent, "cold-0", ReportedRuns.Recipe with { Threads = 1 }, 0.7),
            ReportedRuns.Write(parent, "cold-1", ReportedRuns.Recipe with { Seed = 1, Threads = 2, Device = "cpu" }, 0.7),
            ReportedRuns.Write(parent, "warm", warm, 0.8));
        var usual = FormattableString.Invariant($"{ReportedRuns.Recipe.Loss.Temperature}");
        Assert.That(
            comparison.Methods.Select(method => method.Name),
            Is.EqualTo((string[])[$"pascl (temperature {usual})", "pascl (temperature 0.25)"]));
    }

    [Test]
    public void the_same_recipe_and_seed_twice_is_refused()
    {
        var first = ReportedRuns.Write(parent, "a", ReportedRuns.Recipe, 0.7);
        var second = ReportedRuns.Write(parent, "b", ReportedRuns.Recipe, 0.7);
        AssertRefused([first, second], first, second, "the same seed 0");
    }

    [Test]
    public void a_single_run_is_refused() => AssertRefused([ReportedRuns.Write(parent, "a", ReportedRuns.Recipe, 0.7)], "at least two");

    [Test]
    public void other_classes_are_refused() =>
        AssertRefused(WithSecond(report => report with { ClassNames = ["plane", "car", "dog"] }), "different classes");

    [Test]
    public void another_number_of_test_images_is_refused() =>
        AssertRefused(WithSecond(report => report with { TestImages = 5 }), "tested on 4 images", "on 5");

    [Test]
    public void other_images_of_a_set_of_the_same_name_are_refused_with_both_names_and_hashes([Values("test", "near")] string set)
    {
        var message = Assert.Throws<InputException>(() => Compare(
            ReportedRuns.Write(parent, "first", OnFiles, 0.7, report => report with { Data = Fingerprint("test", "near", "far") }),
            ReportedRuns.Write(parent, "second", OnFiles with { Seed = 1 }, 0.8, report => report with
            {
                Data = Fingerprint("test", "near", "far") with { Sets = [.. Fingerprint("test", "near", "far").Sets.Select(known => known.Set == set ? known with { Pixels = "bb" } : known)] },
            })))!.Message;
        Assert.That(message, Does.Contain("first").And.Contain("second").And.Contain($"the set {set}:").And.Contain("hash aa").And.Contain("hash bb"));
    }

    [Test]
    public void built_in_images_are_the_same_for_one_seed_alone()
    {
        EvaluationReport Drawn(EvaluationReport report, string pixels) => report with { Data = Fingerprint("test") with { Sets = [new SetFingerprint("test", 4, pixels)] } };
        string[] runs =
        [
            ReportedRuns.Write(parent, "oe-0", ReportedRuns.Recipe with { Method = Method.OutlierExposure }, 0.7, report => Drawn(report, "aa")),
            ReportedRuns.Write(parent, "pascl-0", ReportedRuns.Recipe, 0.7, report => Drawn(report, "aa")),
            ReportedRuns.Write(parent, "pascl-1", ReportedRuns.Recipe with { Seed = 1 }, 0.7, report => Drawn(report, "bb")),
        ];
        var other = ReportedRuns.Write(parent, "oe-1", ReportedRuns.Recipe with { Method = Method.OutlierExposure, Seed = 1 }, 0.7, report => Drawn(report, "cc"));
        Assert.That(Compare(runs).Notes, Has.None.Contains("without hashes"));
        AssertRefused([.. runs, other], "pascl-1", "oe-1", "hash bb", "hash cc");
    }

    [Test]
    public void a_report_without_hashes_is_compared_and_named_as_not_checked()
    {
        var comparison = Compare(
            ReportedRuns.Write(parent, "old", OnFiles, 0.7),
            ReportedRuns.Write(parent, "new", OnFiles with { Seed = 1 }, 0.8, report => report with { Data = Fingerprint("test", "near", "far") }));
        Assert.That(comparison.Notes, Has.One.Contains("without hashes").And.Contains("old").And.Not.Contains("new,"));
    }

    [Test]
    public void sets_that_not_every_run_has_are_left_out_of_the_average_and_named()
    {
        var comparison = Compare(WithSecond(report => report with { Deployed = report.Deployed with { Sets = [report.Deployed.Sets[0]] } }));
        Assert.Multiple(() =>
        {
            Assert.That(comparison.Sets, Is.EqualTo((string[])["near"]));
            Assert.That(comparison.Notes, Has.One.Contains("Left out").And.Contains("far"));
            Assert.That(comparison.Of(comparison.Methods[0], AverageAuroc).Mean, Is.EqualTo(0.7));
        });
    }

    [Test]
    public void a_set_of_the_same_name_with_other_images_is_left_out()
    {
        var comparison = Compare(WithSecond(report => report with
        {
            Deployed = report.Deployed with { Sets = [report.Deployed.Sets[0] with { OutOfDistributionImages = 9 }, report.Deployed.Sets[1]] },
        }));
        Assert.That(comparison.Sets, Is.EqualTo((string[])["far"]));
    }

    [Test]
    public void groups_of_sets_have_averages_of_their_own_in_every_table_and_file()
    {
        var comparison = Compare(ReportedRuns.WriteTwoMethods(parent, InGroups));
        const string near = "near, mean of 2";
        using (Assert.EnterMultipleScope())
        {
            Assert.That(comparison.Groups.Select(group => group.Name), Is.EqualTo((string[])[near, "far, mean of 1"]));
            Assert.That(comparison.Groups[0].Sets, Is.EqualTo((string[])["near", "third"]));
            Assert.That(comparison.Of(comparison.Methods[1], AverageAuroc with { Set = near }).Mean, Is.EqualTo((0.77 + 0.5) / 2).Within(1e-12));
            Assert.That(comparison.Differences[0].Differences[AverageAuroc with { Set = near }].Mean, Is.EqualTo((0.77 - 0.73) / 2).Within(1e-12));
            Assert.That(ComparisonTables.PerSet(comparison, Reading.Deployed).Rows.Select(row => row[0]).Distinct(), Is.EqualTo((string[])["near", "far", "third", near, "far, mean of 1"]));
            Assert.That(ComparisonTables.Detection(comparison, ComparedMetric.Auroc).Rows.Select(row => row[0]), Is.EqualTo((string[])["near", "far", "third", near, "far, mean of 1", "average"]));
            foreach (var file in ComparisonFiles.Write(Path.Combine(parent.Path, "written"), comparison))
            {
                Assert.That(File.ReadAllText(file), Does.Contain(near), file);
            }
        }
    }

    [Test]
    public void groups_that_the_runs_do_not_share_are_no_average()
    {
        var comparison = Compare(WithSecond(InGroups));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(comparison.Groups, Is.Empty);
            Assert.That(comparison.Notes, Has.One.Contains("no average of their own"));
            Assert.That(Compare(ReportedRuns.WriteTwoMethods(parent)).Notes, Has.None.Contains("no average of their own"), "runs without groups");
        }
    }

    [Test]
    public void without_a_common_set_only_classification_is_compared()
    {
        var comparison = Compare(WithSecond(report => report with { Deployed = report.Deployed with { Sets = [] } }));
        Assert.Multiple(() =>
        {
            Assert.That(comparison.Metrics, Is.EqualTo((ComparedMetric[])[ComparedMetric.Accuracy, ComparedMetric.FewShotAccuracy]));
            Assert.That(comparison.Notes, Has.One.Contains("only classification"));
        });
    }

    [Test]
    public void groups_of_classes_that_differ_are_not_compared()
    {
        var comparison = Compare(WithSecond(report => report with
        {
            TailClasses = [1, 2],
            ShotGroups = [ShotGroup.Many, ShotGroup.Few, ShotGroup.Few],
            TrainingCounts = [500, 5, 5],
        }));
        Assert.Multiple(() =>
        {
            Assert.That(comparison.Metrics, Has.None.EqualTo(ComparedMetric.TailAuroc).And.None.EqualTo(ComparedMetric.FewShotAccuracy));
            Assert.That(comparison.Notes, Has.One.Contains("AUROC tail").And.One.Contains("ACC few").And.One.Contains("images per class"));
        });
    }

    [Test]
    public void a_number_that_one_run_does_not_have_leaves_no_mean()
    {
        var comparison = Compare(ReportedRuns.WriteTwoMethods(parent, report => report.Deployed.Sets[0].Result.Metrics.Auroc < 0.71
            ? report with { Deployed = report.Deployed with { Sets = [Undefined(report.Deployed.Sets[0]), report.Deployed.Sets[1]] } }
            : report));
        Assert.Multiple(() =>
        {
            Assert.That(comparison.Of(comparison.Methods[0], AverageAuroc).Mean, Is.NaN);
            Assert.That(comparison.Of(comparison.Methods[1], AverageAuroc).Mean, Is.EqualTo(0.72).Within(1e-12));
            Assert.That(ComparisonTables.Average(comparison, Reading.Deployed).Rows[0][2], Is.EqualTo("-"));
        });

        static OodSetReport Undefined(OodSetReport set) =>
            set with { Result = set.Result with { Metrics = set.Result.Metrics with { Auroc = double.NaN } } };
    }

    private static Recipe OnFiles => ReportedRuns.Recipe with { Data = ReportedRuns.Recipe.Data with { InDistribution = "/photographs" } };

    private static DataFingerprint Fingerprint(params string[] sets) => new(10, 0, 4, 3, "files", 0) { Sets = [.. sets.Select(set => new SetFingerprint(set, 4, "aa"))] };

    private static RunComparison Compare(params string[] runs) => RunComparison.Of([.. runs.Select(ComparedRun.Read)]);

    private static void AssertRefused(string[] runs, params string[] expected)
    {
        var message = Assert.Throws<InputException>(() => Compare(runs))!.Message;
        Assert.Multiple(() =>
        {
            foreach (var part in expected)
            {
                Assert.That(message, Does.Contain(part));
            }
        });
    }

    // The sets near and far in their groups, and a third near one of which every run has the same AUROC.
    private static EvaluationReport InGroups(EvaluationReport report)
    {
        OodSetReport[] sets = [.. report.Deployed.Sets];
        var third = sets[0] with { Name = "third", Result = sets[0].Result with { Metrics = sets[0].Result.Metrics with { Auroc = 0.5 } } };
        sets = [sets[0] with { Group = SetGroup.Near }, sets[1] with { Group = SetGroup.Far }, third with { Group = SetGroup.Near }];
        return report with { Deployed = report.Deployed with { Sets = sets }, Main = report.Main with { Sets = sets }, Auxiliary = report.Auxiliary with { Sets = sets } };
    }

    private string[] WithSecond(Func<EvaluationReport, EvaluationReport> change) =>
    [
        ReportedRuns.Write(parent, "first", ReportedRuns.Recipe with { Method = Method.OutlierExposure }, 0.7),
        ReportedRuns.Write(parent, "second", ReportedRuns.Recipe, 0.8, change),
    ];
}
