using Pascl.Training.Methods;
using Pascl.Training.Recipes;

namespace Pascl.Tests.Training.Methods;

/// <summary>A recipe of one method that is repeated with another.</summary>
public sealed class ChangedMethodTests
{
    private static readonly Recipe cifar = Presets.Find("cifar10-lt-cpu").Recipe;

    [Test]
    public void the_schedule_of_the_method_before_goes_with_it([Values] bool starts)
    {
        var preset = cifar with { StartingRun = starts ? "runs/ce" : null };
        foreach (var before in MethodDefinition.All)
        {
            var recipe = before.Apply(preset);
            foreach (var after in MethodDefinition.All)
            {
                Assert.That(RecipeFile.Write(MethodDefinition.Change(recipe, after.Name)), Is.EqualTo(RecipeFile.Write(after.Apply(preset))), $"{before.Name} to {after.Name}");
            }
        }
    }

    [Test]
    public void what_was_chosen_stays()
    {
        var cocl = MethodDefinition.Find(Method.Cocl).Apply(cifar);
        var chosen = cocl with { Seed = 5, Width = 8, AuxiliaryBranch = cocl.AuxiliaryBranch with { Epochs = 7 } };
        var pascl = MethodDefinition.Change(chosen, Method.Pascl);
        Assert.That((pascl.Seed, pascl.Width, pascl.AuxiliaryBranch.Epochs), Is.EqualTo((5, 8, 7)));
    }
}
