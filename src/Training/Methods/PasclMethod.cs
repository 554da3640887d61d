using Pascl.Training.Interop;
using Pascl.Training.Loss;
using Pascl.Training.Model;
using Pascl.Training.Recipes;
using static Pascl.Training.Recipes.RecipeChecks;

namespace Pascl.Training.Methods;

/// <summary>Cross entropy, outlier exposure and the partial asymmetric contrastive loss.</summary>
internal sealed class PasclMethod() : MethodDefinition(Method.Pascl)
{
    public override void Validate(Recipe recipe) => Require(recipe.Views == 2, "The number of views", recipe.Views, "2 for pascl, which contrasts them");

    public override Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchResNet model) =>
        new PasclObjective(recipe.Loss, recipe.Tail(trainingCounts).Flags, device);
}
